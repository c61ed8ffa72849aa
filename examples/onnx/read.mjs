// Reads PNG files with a model that `hwr export --format=onnx` wrote: node read.mjs MODEL.onnx IMAGE.png ...
//
// Needs onnxruntime-node alone (npm install onnxruntime-node); docs/export.md says the same in words.

import fs from "node:fs";
import zlib from "node:zlib";
import ort from "onnxruntime-node";

const add = (values) => values.reduce((total, value) => total + value, 0);
const cumulate = (values) => values.map((total => (value) => (total += value))(0));
const search = (sums, wanted) => sums.findIndex((sum) => sum >= wanted);

function even(value) { // rounded, halves to the even number
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

function openPng(path) {
  const data = fs.readFileSync(path), chunks = { IHDR: Buffer.alloc(0), IDAT: Buffer.alloc(0) };
  for (let start = 8; start + 8 <= data.length;) {
    const size = data.readUInt32BE(start), name = data.toString("latin1", start + 4, start + 8);
    chunks[name] = Buffer.concat([chunks[name] || Buffer.alloc(0), data.subarray(start + 8, start + 8 + size)]);
    start += 12 + size;
  }
  const head = Buffer.concat([chunks.IHDR, Buffer.alloc(13)]), [bits, color, ...other] = head.subarray(8, 13);
  if (bits !== 8 || ![0, 2].includes(color) || other.some(Boolean)) {
    throw new Error(`${path}: not a grey or RGB PNG file of 8 bits, without transparency and interlacing`);
  }
  const width = head.readUInt32BE(0), height = head.readUInt32BE(4), channels = color + 1, step = width * channels;
  const content = zlib.inflateSync(chunks.IDAT), pixels = [];
  let above = new Uint8Array(step);
  for (let line = 0; line < height; line++) {
    const filter = content[line * (step + 1)], row = Uint8Array.from(content.subarray(line * (step + 1) + 1, (line + 1) * (step + 1)));
    for (let i = 0; i < step; i++) {
      const up = above[i], left = i < channels ? 0 : row[i - channels], corner = i < channels ? 0 : above[i - channels];
      const away = [left, up, corner].map((value) => Math.abs(left + up - corner - value));
      const nearest = [left, up, corner][away.indexOf(Math.min(...away))];
      row[i] += [0, left, up, (left + up) >> 1, nearest][filter];
    }
    for (let i = 0; i < step; i += channels) {
      pixels.push(channels === 1 ? row[i] : (row[i] * 19595 + row[i + 1] * 38470 + row[i + 2] * 7471 + 32768) >> 16);
    }
    above = row;
  }
  return { pixels, width, height };
}

function resize(rows, size) { // the mean under a triangle two new rows wide, or two old ones
  const step = rows.length / size, reach = Math.max(step, 1);
  return Array.from({ length: size }, (_, row) => {
    const weights = rows.map((_, i) => Math.max(0, 1 - Math.abs(i + 0.5 - (row + 0.5) * step) / reach)), sum = add(weights);
    return rows[0].map((_, x) => Math.floor(add(rows.map((one, i) => (weights[i] ? one[x] * weights[i] : 0))) / sum + 0.5));
  });
}

const turn = (rows) => rows[0].map((_, x) => rows.map((row) => row[x]));

function preprocess({ pixels, width, height }, p) { // to the model's image, and how many of its columns count
  let counts = Array(256).fill(0);
  for (const level of pixels) counts[level]++;
  const shades = counts.flatMap((count, level) => (count ? [level] : []));
  if (shades.at(-1) - shades[0] < p.min_contrast) throw new Error("an image without ink");
  const below = cumulate(counts), sums = cumulate(counts.map((count, level) => count * level)), total = pixels.length;
  const spread = below.map((count, level) => (total * sums[level] - count * sums[255]) ** 2 / Math.max(count * (total - count), 1));
  const best = spread.flatMap((value, level) => (value >= Math.max(...spread) * (1 - 1e-12) ? [level] : []));
  let threshold = best[best.length >> 1]; // Otsu's
  const dark = pixels.map((level) => Number(level <= threshold)), share = add(dark) / total;
  const columns = turn([...Array(height).keys()].map((y) => dark.slice(y * width, (y + 1) * width)));
  const edge = [...dark.slice(0, width), ...dark.slice(-width), ...columns[0], ...columns.at(-1)];
  const least = share > p.dark_inside ? p.dark_border : p.closed_border;
  if (share > p.bold_inside && add(edge) / edge.length >= Math.max(share, least)) { // light ink on dark
    pixels = pixels.map((level) => 255 - level);
    counts = counts.reverse();
    threshold = 254 - threshold;
  }
  const light = cumulate(counts.slice(threshold + 1)), ink = cumulate(counts.slice(0, threshold + 1));
  const [quartile, middle] = [0.25, 0.5].map((part) => threshold + 1 + search(light, light.at(-1) * part));
  const depth = counts.map((_, level) => 255 - level * (255 / middle)); // of each grey level: 0 is the background
  const darkest = depth[search(ink, ink.at(-1) * p.ink_share)], uneven = Math.max(depth[quartile], p.even_background);
  const stretch = Math.max(1, Math.min((255 - p.black) / darkest, darkest / (p.stands_out * uneven)));
  const levels = depth.map((value) => Math.min(255, Math.max(0, even(255 - value * stretch))));
  const wide = width * p.horizontal_scale;
  const scale = Math.min(p.height_px / height, (p.width_px - 2 * p.margin_px) / wide, p.max_enlargement);
  const size = [even(height * scale), even(wide * scale)];
  const rows = [...Array(height).keys()].map((y) => pixels.slice(y * width, (y + 1) * width));
  const rowsFirst = size[1] > width && size[0] < height; // as Pillow 13 does
  const resized = rowsFirst ? turn(resize(turn(resize(rows, size[0])), size[1])) : resize(turn(resize(turn(rows), size[1])), size[0]);
  const top = (p.height_px - size[0]) >> 1, left = p.kind === "line" ? p.margin_px : (p.width_px - size[1]) >> 1;
  const image = new Uint8Array(p.height_px * p.width_px).fill(255);
  resized.forEach((row, y) => row.forEach((level, x) => { image[(top + y) * p.width_px + left + x] = levels[level]; }));
  const last = image.reduce((most, level, i) => (level < 255 ? Math.max(most, (i % p.width_px) + 1) : most), 0);
  return { image, counted: p.kind === "line" ? Math.min(last + p.margin_px, p.width_px) : p.width_px };
}

// onnxruntime-node shows no metadata: the file's strings are found by their names (protobuf: field 14 of key and value).
function readMetadata(path) {
  const data = fs.readFileSync(path), found = {};
  const readSize = (at) => {
    let size = 0, shift = 0;
    do size += (data[at] & 127) * 2 ** shift, (shift += 7); while (data[at++] & 128);
    return [size, at];
  };
  for (let at = 0; at < data.length;) {
    const tag = data[at];
    let [size, start] = readSize(at + 1);
    if ((tag & 7) === 0) { at = start; continue; }
    if (tag === 0x72) {
      const [keySize, key] = readSize(start + 1), [valueSize, value] = readSize(key + keySize + 1);
      found[data.toString("utf8", key, key + keySize)] = data.toString("utf8", value, value + valueSize);
    }
    at = start + size;
  }
  return found;
}

const [modelPath, ...paths] = process.argv.slice(2);
try {
  const about = readMetadata(modelPath), numbers = JSON.parse(about.preprocessing), characters = [...about.characters];
  const model = await ort.InferenceSession.create(modelPath);
  for (const path of paths) {
    const { image, counted } = preprocess(openPng(path), numbers);
    const inputs = { images: new ort.Tensor("uint8", image, [1, numbers.height_px, numbers.width_px]) };
    if (model.inputNames.includes("widths")) inputs.widths = new ort.Tensor("int32", Int32Array.of(counted), [1]);
    const { log_probs: { data, dims: [, frames, classes] }, frames: inside } = await model.run(inputs);
    const best = Array.from({ length: inside ? inside.data[0] : frames }, (_, t) => {
      const row = data.subarray(t * classes, (t + 1) * classes);
      return row.indexOf(Math.max(...row));
    });
    const kept = best.filter((k, t) => k !== best[t - 1] && k >= 1 && k <= characters.length);
    console.log(`${path}\t${kept.map((k) => characters[k - 1]).join("")}`);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
