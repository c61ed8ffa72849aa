// A grey image to the model's input: hwr_jax/ink/preprocessing.py with the same numbers, which `p` has by name.
//
// Grey images are {pixels: Uint8Array, width, height}, 0 black, 255 white.

// The model's image, and which of its columns count; where the grey image lies in it.
function preprocess(grey, p) {
  const place = placeImage(grey.height, grey.width, p);
  const keras = p.kind === "keras";
  const resized = keras ? resizeLikeKeras(grey, place.height, place.width) : resizeAndLevel(grey, place, p);
  const pixels = new Uint8Array(p.height_px * p.width_px).fill(keras ? 0 : 255);
  for (let y = 0; y < place.height; y++) {
    const row = resized.subarray(y * place.width, (y + 1) * place.width);
    pixels.set(row, (place.top + y) * p.width_px + place.left);
  }
  return { pixels, width: p.width_px, height: p.height_px, place, counted: countColumns(pixels, p) };
}

function placeImage(height, width, p) {
  let newHeight, newWidth, top, left;
  if (p.kind === "keras") {
    const f = Math.fround;
    const ratio = Math.min(f(f(p.height_px) / f(height)), f(f(p.width_px) / f(width)));
    newHeight = roundHalfEven(f(ratio * f(height)));
    newWidth = roundHalfEven(f(ratio * f(width)));
    top = (p.height_px - newHeight + 1) >> 1;
    left = (p.width_px - newWidth + 1) >> 1;
  } else {
    const stretched = width * p.horizontal_scale;
    const scale = Math.min(p.height_px / height, (p.width_px - 2 * p.margin_px) / stretched, p.max_enlargement);
    newHeight = roundHalfEven(height * scale);
    newWidth = roundHalfEven(stretched * scale);
    top = (p.height_px - newHeight) >> 1;
    left = p.kind === "line" ? p.margin_px : (p.width_px - newWidth) >> 1;
  }
  if (newHeight < 1 || newWidth < 1) {
    throw new Error(`an image of ${width} x ${height} pixels is too long or too tall to be read`);
  }
  return { top, left, height: newHeight, width: newWidth, sourceWidth: width };
}

// Of lines those up to the last ink and a margin.
function countColumns(pixels, p) {
  if (p.kind !== "line") return p.width_px;
  let last = 0;
  for (let i = 0; i < pixels.length; i++) if (pixels[i] !== 255) last = Math.max(last, (i % p.width_px) + 1);
  return Math.min(last + p.margin_px, p.width_px);
}

// The network's input [width, height] of the columns that count, filled up to a whole frame.
function imageToInput(image, p, stride) {
  const width = Math.ceil(image.counted / stride) * stride;
  const input = new Float32Array(width * image.height);
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < image.height; y++) {
      const level = image.pixels[y * image.width + x];
      const row = p.kind === "keras" ? image.height - 1 - y : y;
      input[x * image.height + row] = p.kind === "keras" ? level / 255 : (255 - level) / 255;
    }
  }
  return { input, width };
}

function histogramOf(pixels) {
  const histogram = new Float64Array(256);
  for (const level of pixels) histogram[level]++;
  return histogram;
}

// Otsu (1979): the level that separates levels up to it best from those above; of equally good ones the middle one.
function otsuThreshold(histogram) {
  let count = 0, sum = 0, total = 0, totalSum = 0;
  for (let level = 0; level < 256; level++) {
    total += histogram[level];
    totalSum += histogram[level] * level;
  }
  const variance = new Float64Array(256);
  let most = 0;
  for (let level = 0; level < 256; level++) {
    count += histogram[level];
    sum += histogram[level] * level;
    const weights = count * (total - count);
    variance[level] = weights > 0 ? (totalSum * count - total * sum) ** 2 / weights : 0;
    most = Math.max(most, variance[level]);
  }
  const best = [];
  variance.forEach((value, level) => { if (value >= most * (1 - 1e-12)) best.push(level); });
  return best[best.length >> 1];
}

// Whether ink is light on a dark background.
function mostlyDark(grey, threshold, p) {
  const { pixels, width, height } = grey;
  let dark = 0, edge = 0;
  for (let i = 0; i < pixels.length; i++) dark += pixels[i] <= threshold;
  const inside = dark / pixels.length;
  if (inside <= p.bold_inside) return false;
  for (let x = 0; x < width; x++) edge += (pixels[x] <= threshold) + (pixels[(height - 1) * width + x] <= threshold);
  for (let y = 0; y < height; y++) edge += (pixels[y * width] <= threshold) + (pixels[(y + 1) * width - 1] <= threshold);
  const border = edge / (2 * (width + height));
  return border >= Math.max(inside, inside > p.dark_inside ? p.dark_border : p.closed_border);
}

function levelRange(histogram) {
  let low = 0, high = 255;
  while (low < 255 && !histogram[low]) low++;
  while (high > 0 && !histogram[high]) high--;
  return high - low;
}

// Whether grey levels differ by less than ink does from its background.
function isBlank(grey, p) {
  return levelRange(histogramOf(grey.pixels)) < p.min_contrast;
}

// Dark ink on light: the image, or its negative.
function settlePolarity(grey, p) {
  let histogram = histogramOf(grey.pixels), threshold = otsuThreshold(histogram), pixels = grey.pixels;
  if (mostlyDark(grey, threshold, p)) {
    pixels = pixels.map((level) => 255 - level);
    histogram = histogram.slice().reverse();
    threshold = 254 - threshold;
  }
  return { pixels, histogram, threshold };
}

function resizeAndLevel(grey, place, p) {
  if (isBlank(grey, p)) {
    return new Uint8Array(place.height * place.width).fill(255);
  }
  const { pixels, histogram, threshold } = settlePolarity(grey, p);
  const levels = findLevels(histogram, threshold, p);
  return resize(pixels, grey, place).map((level) => levels[level]);
}

// Columns first, or rows first where that is less work, as Pillow 13 does it. Each pass is rounded to whole levels.
function resize(pixels, from, to) {
  const resizeColumns = (levels, height) =>
    transpose(resizeRows(transpose(levels, from.width, height), from.width, to.width, height), height, to.width);
  if (to.height < from.height && to.width > from.width) {
    return resizeColumns(resizeRows(pixels, from.height, to.height, from.width), to.height);
  }
  return resizeRows(resizeColumns(pixels, from.height), from.height, to.height, to.width);
}

// What becomes of each grey level: background 255, faint ink black.
function findLevels(histogram, threshold, p) {
  const light = histogram.slice(threshold + 1), dark = histogram.slice(0, threshold + 1);
  const quartile = threshold + 1 + findShare(light, 0.25), background = threshold + 1 + findShare(light, 0.5);
  const depthOf = (level) => 255 - level * (255 / background);
  const depth = depthOf(findShare(dark, p.ink_share));
  const uneven = Math.max(depthOf(quartile), p.even_background);
  const stretch = Math.max(1, Math.min((255 - p.black) / depth, depth / (p.stands_out * uneven)));
  const levels = new Uint8Array(256);
  for (let level = 0; level < 256; level++) {
    const value = stretch > 1 ? 255 - (255 - level * (255 / background)) * stretch : level * (255 / background);
    levels[level] = Math.min(255, Math.max(0, roundHalfEven(value)));
  }
  return levels;
}

// The first index up to which a share of all counts lies.
function findShare(counts, share) {
  const wanted = counts.reduce((sum, count) => sum + count, 0) * share;
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    sum += counts[i];
    if (sum >= wanted) return i;
  }
  return counts.length;
}

// Pillow's BILINEAR along the first axis of [from, across]: a triangle two new rows wide, or two old ones, in whole
// numbers of 22 bits behind the point, in the order of Pillow's Resample.c: where a level is halfway between two, the
// last bit of a weight decides.
function resizeRows(pixels, from, to, across) {
  const out = new Uint8Array(to * across), step = from / to, reach = Math.max(step, 1);
  for (let row = 0; row < to; row++) {
    const centre = (row + 0.5) * step;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5)), last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const weights = [];
    for (let i = first; i < last; i++) weights.push(Math.max(0, 1 - Math.abs((i - centre + 0.5) * (1 / reach))));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const whole = weights.map((weight) => Math.trunc((weight / sum) * 2 ** 22 + 0.5));
    for (let x = 0; x < across; x++) {
      let value = 2 ** 21;
      for (let i = 0; i < whole.length; i++) value += pixels[(first + i) * across + x] * whole[i];
      out[row * across + x] = Math.min(255, Math.floor(value / 2 ** 22));
    }
  }
  return out;
}

// [rows, columns] of so many columns and rows to [columns, rows].
function transpose(pixels, columns, rows) {
  const out = new Uint8Array(pixels.length);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) out[x * rows + y] = pixels[y * columns + x];
  return out;
}

// The Keras example's: bilinear at half-pixel centres without antialiasing, in float32.
function resizeLikeKeras(grey, height, width) {
  const f = Math.fround, out = new Uint8Array(height * width);
  const down = neighbours(grey.height, height), across = neighbours(grey.width, width);
  const at = (y, column) => {
    const left = grey.pixels[y * grey.width + column.first], right = grey.pixels[y * grey.width + column.second];
    return f(left + f((right - left) * column.share));
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const upper = at(down[y].first, across[x]), lower = at(down[y].second, across[x]);
      out[y * width + x] = roundHalfEven(f(upper + f(f(lower - upper) * down[y].share)));
    }
  }
  return out;
}

function neighbours(size, newSize) {
  const f = Math.fround, step = f(f(size) / f(newSize)), found = [];
  for (let i = 0; i < newSize; i++) {
    const centre = f(f(f(i + 0.5) * step) - 0.5), floor = Math.floor(centre);
    const second = Math.min(Math.ceil(centre), size - 1);
    found.push({ first: Math.max(floor, 0), second, share: f(centre - floor) });
  }
  return found;
}

function roundHalfEven(value) {
  const floor = Math.floor(value), rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 ? floor + 1 : floor;
}

// Where the first column with ink begins and the last one ends; all of a blank image.
function inkColumns(grey, p) {
  if (isBlank(grey, p)) return [0, grey.width];
  const { pixels, threshold } = settlePolarity(grey, p);
  let first = grey.width, last = -1;
  for (let i = 0; i < pixels.length; i++) {
    if (pixels[i] <= threshold) {
      const x = i % grey.width;
      first = Math.min(first, x);
      last = Math.max(last, x);
    }
  }
  return last < 0 ? [0, grey.width] : [first, last + 1];
}

// An image's pixels, red, green, blue and opacity, as grey on white (Pillow's weights). Ink that would vanish on white
// is black: its opacity is what it shows.
function rgbaToGrey(rgba, width, height) {
  const pixels = new Uint8Array(width * height), opacity = new Uint8Array(width * height);
  let lightest = 255, low = 255, high = 0, sum = 0;
  for (let i = 0; i < pixels.length; i++) {
    const alpha = rgba[4 * i + 3];
    const [r, g, b] = [0, 1, 2].map((c) => Math.round((rgba[4 * i + c] * alpha + 255 * (255 - alpha)) / 255));
    pixels[i] = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
    opacity[i] = alpha;
    lightest = Math.min(lightest, pixels[i]);
    low = Math.min(low, alpha);
    high = Math.max(high, alpha);
    sum += alpha;
  }
  const onNothing = lightest >= 180 && high - low >= 64 && sum / pixels.length < 128;
  return { pixels: onNothing ? opacity.map((alpha) => 255 - alpha) : pixels, width, height };
}
