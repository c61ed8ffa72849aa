// From log probabilities to texts, confidences and boxes: hwr_jax/decoding/.

// Texts that the search for alternatives holds, and classes of a frame that it looks at.
const BEAM_WIDTH = 12, BEAM_CLASSES = 12;

// The text of the best path: its characters with the frames that hold them, and the log probability of the text.
function decodeGreedy(logProbs, frames, classes, characters) {
  const found = [];
  let before = -1;
  for (let t = 0; t < frames; t++) {
    let best = 0;
    for (let k = 1; k < classes; k++) if (logProbs[t * classes + k] > logProbs[t * classes + best]) best = k;
    if (best >= 1 && best <= characters.length) {
      if (best === before) found[found.length - 1].last = t;
      else found.push({ id: best, character: characters[best - 1], first: t, last: t });
    }
    before = best;
  }
  const logProb = scoreText(logProbs, frames, classes, found.map((one) => one.id));
  return { text: found.map((one) => one.character).join(""), found, logProb };
}

// The log probability of a text: the sum over all paths that say it (Graves et al. 2006, forward variables).
function scoreText(logProbs, frames, classes, ids) {
  const states = [classes - 1, ...ids.flatMap((id) => [id, classes - 1])];
  let before = states.map((k, s) => (s < 2 ? logProbs[k] : -Infinity));
  for (let t = 1; t < frames; t++) {
    const row = logProbs.subarray(t * classes, (t + 1) * classes);
    before = states.map((k, s) => {
      const skips = s % 2 === 1 && s > 1 && k !== states[s - 2];
      let all = before[s];
      if (s > 0) all = logAdd(all, before[s - 1]);
      if (skips) all = logAdd(all, before[s - 2]);
      return all + row[k];
    });
  }
  return logAdd(before.at(-1), ids.length ? before.at(-2) : -Infinity);
}

// The likeliest texts, CTC prefix beam search (Hannun et al. 2014): [{text, logProb}], best first.
function findTexts(logProbs, frames, classes, characters) {
  const blank = classes - 1;
  let beam = new Map([["", { ids: [], blank: 0, character: -Infinity }]]);
  for (let t = 0; t < frames; t++) {
    const row = logProbs.subarray(t * classes, (t + 1) * classes);
    const likely = [...row.keys()]
      .filter((k) => k >= 1 && k <= characters.length && row[k] > -12)
      .sort((a, b) => row[b] - row[a])
      .slice(0, BEAM_CLASSES);
    const next = new Map();
    const reach = (key, ids) => {
      if (!next.has(key)) next.set(key, { ids, blank: -Infinity, character: -Infinity });
      return next.get(key);
    };
    for (const [key, { ids, blank: endsBlank, character: endsCharacter }] of beam) {
      const all = logAdd(endsBlank, endsCharacter), last = ids.length ? ids[ids.length - 1] : -1;
      const same = reach(key, ids);
      same.blank = logAdd(same.blank, all + row[blank]);
      if (last >= 0) same.character = logAdd(same.character, endsCharacter + row[last]);
      for (const k of likely) {
        const longer = reach(`${key},${k}`, [...ids, k]);
        longer.character = logAdd(longer.character, (k === last ? endsBlank : all) + row[k]);
      }
    }
    const ranked = [...next].sort(([, a], [, b]) => logAdd(b.blank, b.character) - logAdd(a.blank, a.character));
    beam = new Map(ranked.slice(0, BEAM_WIDTH));
  }
  return [...beam.values()].map(({ ids, blank: a, character: b }) => ({
    text: ids.map((id) => characters[id - 1]).join(""),
    logProb: logAdd(a, b),
  }));
}

function logAdd(a, b) {
  const most = Math.max(a, b);
  return most === -Infinity ? most : most + Math.log1p(Math.exp(Math.min(a, b) - most));
}

// The probability that a text of so many characters is right.
function calibrate(logProb, length, about) {
  const { slope, intercept, length: ofLength } = about.calibration;
  const p = Math.min(Math.max(Math.exp(logProb), 2.2250738585072014e-308), 1 - 1e-6);
  const odds = (Math.log(p) - Math.log1p(-p)) / about.temperature;
  return 1 / (1 + Math.exp(-(slope * odds + ofLength * Math.log(Math.max(length, 1)) + intercept)));
}

// Other texts and their probabilities: what the first has not, they have in the proportions of their own.
function findAlternatives(texts, first, confidence, most) {
  const left = Math.max(1 - Math.exp(first.logProb), 1e-9);
  return texts
    .filter((one) => one.text !== first.text)
    .slice(0, most)
    .map(({ text, logProb }) => {
      return { text, probability: Math.min(((1 - confidence) * Math.exp(logProb)) / left, confidence) };
    });
}

// Left and right of each character in columns of the grey image; borders are halfway between neighbours.
function findBoxes(found, stride, place, inked) {
  if (!found.length) return [];
  const [begin, end] = inked, scale = place.width / place.sourceWidth, half = (end - begin) / found.length / 2;
  const within = (x) => Math.min(Math.max(x, begin), end);
  const seen = found.map(({ first, last }) => [first * stride, (last + 1) * stride].map((column) =>
    within(Math.min(Math.max((column - place.left) / scale, 0), place.sourceWidth))));
  const last = seen.length - 1;
  if (last > 0) {
    const middles = [seen[0], seen[last]].map(([a, b]) => (a + b) / 2);
    // Recurrent layers often see the first character in the first frame of all, and the last in the last.
    seen[0] = Array(2).fill(Math.max(middles[0], Math.min(begin + half, seen[1][0])));
    seen[last] = Array(2).fill(Math.min(middles[1], Math.max(end - half, seen[last - 1][1])));
  }
  const borders = [begin];
  for (let i = 0; i < last; i++) borders.push((seen[i][1] + seen[i + 1][0]) / 2);
  borders.push(end);
  return found.map(({ character }, i) => ({ character, left: borders[i], right: borders[i + 1] }));
}
