"""Synthetic writers: each writes any word of IAM's characters in a handwriting of its own, a little differently every
time.

Lengths are in heights of the small letter "x" unless a name says otherwise.
"""

import dataclasses
import hashlib

import numpy as np

from hwr_jax.errors import InputError
from hwr_jax.ink.cutting import join_words
from hwr_jax.ink.stroke_fonts import Glyph, load_face
from hwr_jax.ink.strokes import draw_strokes
from hwr_jax.text.alphabet import IAM78

# The numbers that bend one letter, in the order of their columns, and how far each strays for a habit of strength 1.
_BENDS = {
    "width": 0.09,  # relative
    "height": 0.06,  # relative
    "shear": 0.06,
    "rise": 0.035,
    "turn": 0.04,
    "bow": 0.06,  # x moves with the square of y
    "arch": 0.08,  # y moves with the square of x
    "taper": 0.10,  # x is stretched with y
    "shift": 0.03,
}
_SPREAD = np.array(list(_BENDS.values()))
_JOIN_POINTS = 6


@dataclasses.dataclass(frozen=True)
class WriterConfig:
    """How much writers differ and how unsteady they are. A strength of 0 is none, 1 the default."""

    cursive_share: float = 0.2  # part of the writers whose letters are mostly looped school script
    joined_share: float = 0.3  # part who write plainer joined letters; the rest print, and join now and then
    form_variety: float = 0.1  # chance that a letter's form is not the one of the writer's main face
    slant_degrees: float = 8.0  # standard deviation of the writers' slants (a few degrees to the right on average)
    proportions: float = 1.0  # strength of the differences in widths, ascenders, descenders, capitals and spacing
    letter_habit: float = 0.6  # strength of the bends that a writer always gives a certain letter
    letter_jitter: float = 0.6  # strength of the bends that differ each time
    warp: float = 0.7  # strength of the slow displacement across a word
    wobble: float = 1.0  # strength of the baseline's rise, drift and waves
    tremor: float = 1.0  # strength of the fast unsteadiness of the pen
    core_height_px: tuple[float, float] = (16.0, 26.0)  # range of the writers' small letters' heights in the image
    pen_width_px: tuple[float, float] = (1.5, 3.6)  # range of the writers' pen widths


@dataclasses.dataclass(frozen=True, eq=False)
class Writer:
    """A synthetic writer, by what is constant in its handwriting."""

    glyphs: dict[str, Glyph]  # the form this writer gives each character of IAM78
    # The capitals' forms in words that have several, where script capitals would not be used
    block_capitals: dict[str, Glyph]
    habits: dict[str, np.ndarray]  # the bends of each character, float64 [9]; see _BENDS
    slant: float  # x per y, positive to the right
    width: float  # of letters, relative to the faces'
    spacing: float  # added between letters
    # Heights relative to the faces'
    ascender: float
    descender: float
    capital: float
    joining: float  # chance that two letters whose forms allow it are joined
    lifts: frozenset[str]  # characters after which this writer always lifts the pen
    climb: float  # of the baseline, in y per x
    # Size of the writing and the pen in the image
    core_height_px: float
    pen_width_px: float
    config: WriterConfig  # the strengths this writer was made with


def make_writer(seed: int | str, config: WriterConfig | None = None) -> Writer:
    """A writer; the same one for the same seed and config."""
    config = config or WriterConfig()
    number = seed if isinstance(seed, int) else int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "big")
    rng = np.random.default_rng(number)
    kind = float(rng.random())
    cursive = kind < config.cursive_share
    joined = cursive or kind < config.cursive_share + config.joined_share
    glyphs, block_capitals = _choose_forms(cursive, joined, config.form_variety, rng)
    habits_CxB = rng.normal(size=(len(IAM78), len(_SPREAD))) * _SPREAD * config.letter_habit
    stray_6 = rng.normal(size=6) * config.proportions
    return Writer(
        glyphs=glyphs,
        block_capitals=block_capitals,
        habits=dict(zip(IAM78, habits_CxB, strict=True)),
        slant=float(np.tan(np.radians(np.clip(6 + config.slant_degrees * rng.normal(), -25, 38)))),
        width=float(np.exp(0.12 * stray_6[0])),
        spacing=float(np.clip((0.0 if joined else 0.06) + 0.08 * stray_6[1], -0.12, 0.35)),
        ascender=float(np.clip(0.95 + 0.16 * stray_6[2], 0.6, 1.4)),
        descender=float(np.clip(0.95 + 0.16 * stray_6[3], 0.6, 1.4)),
        capital=float(np.clip(0.93 + 0.10 * stray_6[4], 0.7, 1.2)),
        joining=float(rng.uniform(0.75, 1.0)) if joined else float(rng.choice([0.0, 0.0, 0.3, 0.6])),
        lifts=frozenset(character for character in IAM78 if rng.random() < 0.12),
        climb=float(0.02 * rng.normal() * config.wobble),
        core_height_px=float(rng.uniform(*config.core_height_px)),
        pen_width_px=float(rng.uniform(*config.pen_width_px)),
        config=config,
    )


def write_word(writer: Writer, text: str, rng: np.random.Generator) -> list[np.ndarray]:
    """The strokes of `text` by this writer: float64 [n, 2] each, x right, y down, baseline near y = 0.

    Raises InputError: no text, or a character that is not in IAM78.
    """
    if not text or set(text) - set(IAM78):
        raise InputError(f"text {text!r}: writers know the characters {IAM78} only, and need at least one")
    strength = writer.config
    forms = writer.glyphs | writer.block_capitals if sum(map(str.isupper, text)) > 1 else writer.glyphs
    glyphs = [forms[character] for character in text]
    bends_NxB = np.stack([writer.habits[character] for character in text])
    bends_NxB = bends_NxB + rng.normal(size=bends_NxB.shape) * _SPREAD * (0.5 * strength.letter_jitter)
    letter_of_P = np.repeat(np.arange(len(text)), [len(glyph.points_Px2) for glyph in glyphs])
    points_Px2 = np.concatenate([glyph.points_Px2 for glyph in glyphs])
    tall_N = np.array([not character.islower() for character in text])
    points_Px2 = _shape_letters(points_Px2, letter_of_P, glyphs, bends_NxB, tall_N, writer)
    spacing_N = writer.spacing + 0.03 * strength.letter_jitter * rng.normal(size=len(text))
    advance_N = np.array([glyph.advance for glyph in glyphs]) * writer.width * (1 + bends_NxB[:, 0]) + spacing_N
    joins = _find_joins(writer, text, glyphs, np.searchsorted(letter_of_P, np.arange(len(text))), rng)
    # A join takes room by how far it must climb.
    for letter, leave, arrive in joins:
        climb = points_Px2[leave, 1] - points_Px2[arrive, 1]
        advance_N[letter] += 0.04 + 0.3 * min(max(climb, 0.0), 1.2)
    points_Px2[:, 0] += (np.cumsum(advance_N) - advance_N)[letter_of_P]

    stroke_P = letter_of_P * 8 + np.concatenate([glyph.stroke_of_P for glyph in glyphs])
    cuts = np.flatnonzero(np.diff(stroke_P)) + 1
    # Bars and dots, the later strokes of a letter, land a little off.
    first_P = np.concatenate([[0], cuts])
    off_Sx2 = rng.normal(size=(len(first_P), 2)) * (0.05 * strength.letter_jitter)
    off_Sx2[stroke_P[first_P] % 8 == 0] = 0
    points_Px2 += np.repeat(off_Sx2, np.diff([*first_P, len(points_Px2)]), axis=0)

    links = [_connect(*points_Px2[[leave - 1, leave, arrive]]) for _, leave, arrive in joins]
    links_at = len(letter_of_P) + _JOIN_POINTS * np.arange(len(links))
    points_Px2 = _unsteady(np.concatenate([points_Px2, *links]), writer, rng)
    points_Px2[:, 0] -= writer.slant * points_Px2[:, 1]
    return np.split(points_Px2, np.concatenate([cuts, links_at]))


def write_line(writer: Writer, text: str, rng: np.random.Generator) -> list[np.ndarray]:
    """The strokes of words with a space between each two, as `write_word` gives those of one, and raises."""
    return join_words([write_word(writer, word, rng) for word in text.split()], 1.0, rng)


def draw_word(writer: Writer, text: str, rng: np.random.Generator) -> np.ndarray:
    """The image of a word at the writer's own size and pen, uint8 [H, W], dark on light, cut out around the ink."""
    strokes = write_word(writer, text, rng)
    pen_px = writer.pen_width_px * float(np.exp(0.06 * rng.normal()))
    size_px = writer.core_height_px * float(np.exp(0.05 * rng.normal()))
    height = max(1.0, float(np.ptp(np.concatenate(strokes)[:, 1])))
    height_px = int(np.ceil(height * size_px + pen_px + 2))
    return draw_strokes(strokes, pen_width_px=pen_px, height_px=height_px, reference_height=1.0)


def _choose_forms(
    cursive: bool, joined: bool, variety: float, rng: np.random.Generator
) -> tuple[dict[str, Glyph], dict[str, Glyph]]:
    """One form per character, mostly of the writer's main face and some of the others', and one per block capital."""
    script, plain, everyday = load_face("script"), load_face("plain"), load_face("everyday")
    script_capitals = cursive and rng.random() < 0.5
    main = script if cursive else plain if not joined and rng.random() < 0.4 else everyday
    chosen, block_capitals = {}, {}
    for character in IAM78:
        strays, other, pick = rng.random() < variety, rng.random(), rng.random()
        if character.islower():
            stray = everyday if main is not everyday else script if joined and other < 0.4 else plain
            forms = (stray if strays else main)[character]
            # Who joins letters takes forms that join, where the letter has any.
            forms = (tuple(form for form in forms if form.exit is not None) if joined else ()) or forms
        else:
            ours = character in everyday and (other < 0.6 or character == "-")
            forms = (everyday if ours else plain)[character]
        form = forms[int(pick * len(forms))]
        if character.isupper():
            block_capitals[character] = form
        chosen[character] = script[character][0] if character.isupper() and script_capitals and not strays else form
    return chosen, block_capitals


def _shape_letters(
    points_Px2: np.ndarray,
    letter_of_P: np.ndarray,
    glyphs: list[Glyph],
    bends_NxB: np.ndarray,
    tall_N: np.ndarray,
    writer: Writer,
) -> np.ndarray:
    """Every letter in the writer's proportions and with its bends, still at its own origin."""
    middle_P = np.array([glyph.advance / 2 for glyph in glyphs])[letter_of_P]
    tall_P = tall_N[letter_of_P]
    x_P, y_P = points_Px2[:, 0] - middle_P, points_Px2[:, 1]
    above_P, below_P = np.maximum(-y_P - 1, 0), np.maximum(y_P, 0)
    small_y_P = y_P - above_P * (writer.ascender - 1) + below_P * (writer.descender - 1)
    y_P = np.where(tall_P, y_P * writer.capital, small_y_P)
    width_P, height_P, shear_P, rise_P, turn_P, bow_P, arch_P, taper_P, shift_P = bends_NxB[letter_of_P].T
    v_P = y_P + 0.5
    bent_x_P = x_P * (1 + width_P + taper_P * v_P) - shear_P * v_P + bow_P * (v_P**2 - 0.25) + shift_P
    bent_y_P = y_P * (1 + height_P) - rise_P + turn_P * x_P + arch_P * (x_P**2 - 0.1)
    return np.stack([(bent_x_P + middle_P * (1 + bends_NxB[letter_of_P, 0])) * writer.width, bent_y_P], axis=1)


def _find_joins(
    writer: Writer, text: str, glyphs: list[Glyph], start_N: np.ndarray, rng: np.random.Generator
) -> list[tuple[int, int, int]]:
    """The letters that this writer joins to the next, each with the points where the join leaves and arrives."""
    wanted_N = rng.random(len(text)) < writer.joining
    joins = []
    for i in range(len(text) - 1):
        leave, arrive = glyphs[i].exit, glyphs[i + 1].entry
        if leave is None or arrive is None or not wanted_N[i] or text[i] in writer.lifts or not text[i + 1].islower():
            continue
        joins.append((i, int(start_N[i]) + leave, int(start_N[i + 1]) + arrive))
    return joins


def _connect(before_2: np.ndarray, start_2: np.ndarray, end_2: np.ndarray) -> np.ndarray:
    """A join that goes on as from before to start and arrives rising to the right (cubic Bezier), float64 [6, 2]."""
    reach = float(np.hypot(*(end_2 - start_2))) / 3
    heading_2 = start_2 - before_2
    leaving_2 = heading_2 * (reach / max(float(np.hypot(*heading_2)), 1e-9))
    arriving_2 = np.array([0.8, -0.6 if end_2[1] < start_2[1] else 0.0]) * reach
    t = np.linspace(0, 1, _JOIN_POINTS)[:, None]
    return (
        (1 - t) ** 3 * start_2
        + 3 * t * (1 - t) ** 2 * (start_2 + leaving_2)
        + 3 * t**2 * (1 - t) * (end_2 - arriving_2)
        + t**3 * end_2
    )


def _unsteady(points_Px2: np.ndarray, writer: Writer, rng: np.random.Generator) -> np.ndarray:
    """The word with its slow warps, the baseline's course, the change of size along it, and the pen's tremor."""
    strength = writer.config
    x_P, y_P = points_Px2.T
    # Three slow plane waves (2 to 6 letters long) and one fast one (half a letter) for each coordinate.
    length_W = np.array([2.5, 4.0, 6.0, 0.45]) * np.exp(0.3 * rng.normal(size=(2, 4)))
    height_W = np.array([0.035, 0.05, 0.05, 0]) * strength.warp + np.array([0, 0, 0, 0.010]) * strength.tremor
    angle_W = rng.uniform(-0.7, 0.7, size=(2, 4))
    phase_W = rng.uniform(0, 2 * np.pi, size=(2, 4))
    amount_W = height_W * rng.normal(size=(2, 4))
    wave_2xWxP = np.sin(
        (2 * np.pi / length_W)[..., None] * (np.cos(angle_W)[..., None] * x_P + np.sin(angle_W)[..., None] * y_P)
        + phase_W[..., None]
    )
    warped_2xP = points_Px2.T + (amount_W[..., None] * wave_2xWxP).sum(axis=1)
    climb, grow = rng.normal(size=2) * strength.wobble
    middle = float(x_P.max()) / 2
    size_P = 1 + np.clip(0.012 * grow * (x_P - middle), -0.25, 0.25)
    warped_2xP[1] = warped_2xP[1] * size_P - (writer.climb + 0.02 * climb) * (x_P - middle)
    return np.ascontiguousarray(warped_2xP.T)
