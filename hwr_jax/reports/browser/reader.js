// Reads strokes and images: all between the page and the network.

const MOST_PIXELS = 100e6, MOST_ALTERNATIVES = 3;

async function buildReader(kernelBytes, weightBytes, about) {
  const computeLogProbs = await buildNetwork(kernelBytes, weightBytes, about.plan);
  const characters = [...about.characters], p = about.preprocessing;

  // Log probabilities of a grey image, with the image that the network sees.
  function seeGrey(grey) {
    const image = preprocess(grey, p);
    const { input, width } = imageToInput(image, p, about.stride_px);
    return { image, ...computeLogProbs(input, width, image.height) };
  }

  // {text, confidence, alternatives, boxes}; boxes are columns of the grey image.
  function readGrey(grey) {
    if (isBlank(grey, p)) throw new Error("blank: there is no ink in it");
    const { image, logProbs, frames, classes } = seeGrey(grey);
    const { text, found, logProb } = decodeGreedy(logProbs, frames, classes, characters);
    const confidence = calibrate(logProb, found.length, about);
    const texts = findTexts(logProbs, frames, classes, characters);
    return {
      text,
      confidence,
      alternatives: findAlternatives(texts, { text, logProb }, confidence, MOST_ALTERNATIVES),
      boxes: findBoxes(found, about.stride_px, image.place, inkColumns(grey, p)),
    };
  }

  // Strokes are lists of points [x, y, ...], x to the right and y down, in any unit; boxes are in that unit.
  function readStrokes(strokes) {
    const grey = drawStrokes(strokes, about.max_width_px);
    const reading = readGrey(grey);
    for (const box of reading.boxes) {
      box.left = toStrokes(box.left, grey.place);
      box.right = toStrokes(box.right, grey.place);
    }
    return reading;
  }

  return { computeLogProbs, seeGrey, readGrey, readStrokes };
}

// The pixels of an image file, turned upright by its EXIF orientation. Throws an Error that says what is wrong.
async function openImage(file) {
  const name = file.name || "the image";
  if (!file.size) throw new Error(`${name}: empty file (0 bytes)`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    throw new Error(`${name}: not an image that this browser can open, or a damaged one`);
  }
  if (bitmap.width * bitmap.height > MOST_PIXELS) {
    throw new Error(`${name}: too many pixels (${bitmap.width} x ${bitmap.height}; at most 100 million)`);
  }
  return bitmap;
}

// A part of a bitmap, {x, y, width, height} in its pixels, as grey.
function bitmapToGrey(bitmap, part) {
  const canvas = document.createElement("canvas");
  canvas.width = part.width;
  canvas.height = part.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("the image is too large for this browser");
  context.drawImage(bitmap, -part.x, -part.y);
  return rgbaToGrey(context.getImageData(0, 0, part.width, part.height).data, part.width, part.height);
}
