// Pen strokes as a grey image: hwr_jax/ink/strokes.py and pen_input.py. A stroke is a list of points [x, y, ...].

const PEN = { heightPx: 64, widthPx: 0.05 * 64, marginPx: 1, piecePx: 2, spacingPx: 1, mostPathPx: 100000 };

// The image, and where the strokes lie in it.
function drawStrokes(strokes, maxWidthPx, penWidthPx = PEN.widthPx) {
  checkStrokes(strokes);
  const place = placeStrokes(strokes, maxWidthPx, penWidthPx);
  const placed = strokes.map((stroke) => stroke.map((point) => toImage(point, place)));
  let path = 0;
  for (const stroke of placed) for (let i = 1; i < stroke.length; i++) path += distance(stroke[i - 1], stroke[i]);
  if (path > PEN.mostPathPx) throw new Error("the pen's path is too long to be writing");
  const pixels = cover(placed.flatMap(cut), penWidthPx / 2, place.width, place.height);
  return { pixels, width: place.width, height: place.height, place };
}

function checkStrokes(strokes) {
  if (!strokes.length) throw new Error("there is no ink to read");
  strokes.forEach((stroke, number) => {
    if (!stroke.length) throw new Error(`stroke ${number} has no point`);
    for (const [x, y] of stroke) {
      if (![x, y].every((value) => Number.isFinite(value) && Math.abs(value) < 1e30)) {
        throw new Error(`stroke ${number}: x ${x}, y ${y} is no place`);
      }
    }
  });
}

// The largest scale at which the ink fits the height and the width.
function placeStrokes(strokes, maxWidthPx, penWidthPx) {
  const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
  let most = 0;
  for (const stroke of strokes) {
    for (const point of stroke) {
      for (const axis of [0, 1]) {
        low[axis] = Math.min(low[axis], point[axis]);
        high[axis] = Math.max(high[axis], point[axis]);
        most = Math.max(most, Math.abs(point[axis]));
      }
    }
  }
  const extent = [0, 1].map((axis) => (high[axis] - low[axis] <= 1e-12 * most ? 0 : high[axis] - low[axis]));
  const border = PEN.marginPx + penWidthPx / 2;
  const limits = [];
  if (extent[1]) limits.push((PEN.heightPx - 2 * border) / extent[1]);
  if (extent[0]) limits.push((maxWidthPx - 2 * border) / extent[0]);
  const scale = limits.length ? Math.min(...limits) : 1;
  const width = Math.ceil(extent[0] * scale + 2 * border - 1e-6);
  return { scale, low, extent, width, height: PEN.heightPx };
}

function toImage(point, place) {
  const centre = [place.width / 2, place.height / 2];
  return [0, 1].map((axis) => (point[axis] - place.low[axis] - place.extent[axis] / 2) * place.scale + centre[axis]);
}

// The strokes' x at a column of the image.
function toStrokes(column, place) {
  return (column - place.width / 2) / place.scale + place.low[0] + place.extent[0] / 2;
}

function distance(a, b) {
  return Math.hypot(b[0] - a[0], b[1] - a[1]);
}

// A stroke's straight pieces [x, y, step x, step y] of at most `piecePx`; a dot is a piece of no length. Points that
// follow each other within `spacingPx` of path are one.
function cut(stroke) {
  const kept = [];
  let path = 0, mark = -1;
  stroke.forEach((point, i) => {
    path += i ? distance(stroke[i - 1], point) : 0;
    const here = Math.floor(path / PEN.spacingPx);
    if (here > mark || i === 0 || i === stroke.length - 1) kept.push(point);
    mark = here;
  });
  if (kept.length === 1) return [[...kept[0], 0, 0]];
  const pieces = [];
  for (let i = 1; i < kept.length; i++) {
    const [from, to] = [kept[i - 1], kept[i]];
    const count = Math.max(1, Math.ceil(distance(from, to) / PEN.piecePx));
    const step = [(to[0] - from[0]) / count, (to[1] - from[1]) / count];
    for (let n = 0; n < count; n++) pieces.push([from[0] + n * step[0], from[1] + n * step[1], ...step]);
  }
  return pieces;
}

// Each pixel as dark as its centre's distance to the nearest piece says.
function cover(pieces, radius, width, height) {
  const nearest2 = new Float64Array(width * height).fill((radius + 1) ** 2);
  const size = Math.ceil(PEN.piecePx + 2 * radius + 2);
  for (const [startX, startY, stepX, stepY] of pieces) {
    const left = roundHalfEven(startX + stepX / 2 - size / 2), top = roundHalfEven(startY + stepY / 2 - size / 2);
    const length2 = Math.max(stepX * stepX + stepY * stepY, 1e-12);
    for (let row = Math.max(0, top); row < Math.min(height, top + size); row++) {
      for (let column = Math.max(0, left); column < Math.min(width, left + size); column++) {
        const x = column + 0.5 - startX, y = row + 0.5 - startY;
        const along = Math.min(1, Math.max(0, (x * stepX + y * stepY) / length2));
        const square = (x - along * stepX) ** 2 + (y - along * stepY) ** 2;
        const pixel = row * width + column;
        if (square < nearest2[pixel]) nearest2[pixel] = square;
      }
    }
  }
  const pixels = new Uint8Array(width * height);
  for (let i = 0; i < pixels.length; i++) {
    const covered = Math.min(1, Math.max(0, radius + 0.5 - Math.sqrt(nearest2[i])));
    pixels[i] = roundHalfEven(255 * (1 - covered));
  }
  return pixels;
}
