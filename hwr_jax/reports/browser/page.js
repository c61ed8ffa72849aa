// The page: the pad, its buttons, and what they show. `window.handwriting` is for programs that embed the page.

// After the pen has been up for so long, what stands there is read.
const PAUSE_MS = 120;
// A drag of fewer pixels on an image is a slip and no part of it.
const LEAST_PART_PX = 12;
// An arrow key moves the part of an image that is read by this share of the image; with Shift it moves its far edges.
const ARROW_SHARE = 0.05;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const byId = (id) => document.getElementById(id);
const about = JSON.parse(byId("about").textContent);
const pad = byId("pad"), context = pad.getContext("2d");

// What is on the pad: strokes of [x, y, pressure] in pixels of the page, or an image and the part of it that is read.
let strokes = [], picture = null, drawn = null, reading = null, timer = 0;

function bytesOf(id) {
  return Uint8Array.from(atob(byId(id).textContent.trim()), (character) => character.charCodeAt(0));
}

async function start() {
  if (!window.WebAssembly) throw new Error("this browser has no WebAssembly; open the page in a newer one");
  let reader;
  try {
    reader = await buildReader(bytesOf("kernels"), bytesOf("weights"), about);
  } catch (error) {
    throw new Error(`this browser cannot run the reader (${error.message}); open the page in a newer one`);
  }
  return reader;
}

const ready = start();
ready.catch((error) => showProblem(error.message));
window.handwriting = {
  ready,
  readStrokes: async (list) => (await ready).readStrokes(list),
  readImage: async (file) => {
    const bitmap = await openImage(file);
    const whole = { x: 0, y: 0, width: bitmap.width, height: bitmap.height };
    return (await ready).readGrey(bitmapToGrey(bitmap, whole));
  },
};

// Drawing

function fitPad() {
  const box = pad.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  pad.width = Math.round(box.width * ratio);
  pad.height = Math.round(box.height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  paint();
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function paint() {
  const { width, height } = pad.getBoundingClientRect();
  context.clearRect(0, 0, width, height);
  byId("hint").hidden = Boolean(strokes.length || picture || drawn);
  if (picture) paintPicture(width, height);
  context.strokeStyle = context.fillStyle = color("--ink");
  context.lineCap = context.lineJoin = "round";
  for (const stroke of drawn ? [...strokes, drawn] : strokes) paintStroke(stroke);
  if (reading && byId("show-boxes").checked) paintBoxes(height);
}

function paintStroke(stroke) {
  const width = (pressure) => 2 + 3 * pressure;
  if (stroke.length === 1) {
    const [x, y, pressure] = stroke[0];
    context.beginPath();
    context.arc(x, y, width(pressure) / 2, 0, 2 * Math.PI);
    context.fill();
  }
  for (let i = 1; i < stroke.length; i++) {
    context.lineWidth = width((stroke[i - 1][2] + stroke[i][2]) / 2);
    context.beginPath();
    context.moveTo(stroke[i - 1][0], stroke[i - 1][1]);
    context.lineTo(stroke[i][0], stroke[i][1]);
    context.stroke();
  }
}

// Where the picture lies on the pad: as large as fits.
function pictureFrame(width, height) {
  const { bitmap } = picture, scale = Math.min((width - 16) / bitmap.width, (height - 40) / bitmap.height);
  return { scale, left: (width - bitmap.width * scale) / 2, top: (height - bitmap.height * scale) / 2 };
}

function paintPicture(width, height) {
  const { bitmap, part } = picture, { scale, left, top } = pictureFrame(width, height);
  context.drawImage(bitmap, left, top, bitmap.width * scale, bitmap.height * scale);
  if (part.width < bitmap.width || part.height < bitmap.height || picture.dragged) {
    const shown = picture.dragged || part;
    context.strokeStyle = color("--accent");
    context.lineWidth = 2;
    context.strokeRect(left + shown.x * scale, top + shown.y * scale, shown.width * scale, shown.height * scale);
  }
}

function paintBoxes(height) {
  const toPad = picture
    ? (x) => { const { scale, left } = pictureFrame(pad.clientWidth, height); return left + (picture.part.x + x) * scale; }
    : (x) => x;
  context.fillStyle = context.strokeStyle = color("--accent");
  context.lineWidth = 1;
  context.font = "600 14px system-ui, sans-serif";
  context.textAlign = "center";
  for (const { character, left, right } of reading.boxes) {
    context.globalAlpha = 0.35;
    context.beginPath();
    for (const x of [left, right]) {
      context.moveTo(toPad(x), 10);
      context.lineTo(toPad(x), height - 26);
    }
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(character, toPad((left + right) / 2), height - 9);
  }
}

// Pen, finger and mouse

function pointOf(event) {
  const box = pad.getBoundingClientRect();
  // A mouse has no pressure and says 0.5; so do pens and fingers that feel none, or 0.
  return [event.clientX - box.left, event.clientY - box.top, event.pressure || 0.5];
}

function pictureRectangle(from, to) {
  const { width, height } = pad.getBoundingClientRect(), { scale, left, top } = pictureFrame(width, height);
  const { bitmap } = picture;
  const xs = [from, to].map(([x]) => Math.round(Math.min(Math.max((x - left) / scale, 0), bitmap.width)));
  const ys = [from, to].map(([, y]) => Math.round(Math.min(Math.max((y - top) / scale, 0), bitmap.height)));
  const low = [Math.min(...xs), Math.min(...ys)];
  return { x: low[0], y: low[1], width: Math.max(...xs) - low[0], height: Math.max(...ys) - low[1] };
}

pad.addEventListener("pointerdown", (event) => {
  if (event.button || drawn || (picture && picture.from)) return;
  pad.setPointerCapture(event.pointerId);
  pad.classList.add("by-pointer");
  pad.focus({ preventScroll: true });
  clearTimeout(timer);
  showProblem("");
  if (picture) {
    picture.from = pointOf(event);
  } else {
    reading = null;
    drawn = [pointOf(event)];
    drawn.pointer = event.pointerId;
  }
  paint();
  event.preventDefault();
});

pad.addEventListener("pointermove", (event) => {
  if (picture && picture.from) {
    picture.dragged = pictureRectangle(picture.from, pointOf(event));
  } else if (drawn && event.pointerId === drawn.pointer) {
    const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const each of events.length ? events : [event]) drawn.push(pointOf(each));
  } else {
    return;
  }
  paint();
});

function lift(event) {
  if (picture && picture.from) {
    const part = picture.dragged;
    const { scale } = pictureFrame(pad.clientWidth, pad.clientHeight);
    if (part && Math.min(part.width, part.height) * scale >= LEAST_PART_PX) picture.part = part;
    picture.from = picture.dragged = null;
  } else if (drawn && event.pointerId === drawn.pointer) {
    strokes.push(drawn);
    drawn = null;
  } else {
    return;
  }
  paint();
  readSoon();
}
pad.addEventListener("pointerup", lift);
pad.addEventListener("pointercancel", lift);

function movePart([right, down], resizes) {
  const { bitmap, part } = picture;
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
  const across = Math.ceil(ARROW_SHARE * bitmap.width), along = Math.ceil(ARROW_SHARE * bitmap.height);
  if (resizes) {
    part.width = clamp(part.width + right * across, across, bitmap.width - part.x);
    part.height = clamp(part.height + down * along, along, bitmap.height - part.y);
  } else {
    part.x = clamp(part.x + right * across, 0, bitmap.width - part.width);
    part.y = clamp(part.y + down * along, 0, bitmap.height - part.height);
  }
  reading = null;
  paint();
  readSoon();
}

// Reading

function readSoon() {
  clearTimeout(timer);
  timer = setTimeout(read, PAUSE_MS);
}

async function read() {
  const reader = await ready.catch(() => null);
  if (!reader || drawn) return;
  reading = null;
  if (strokes.length || picture) {
    try {
      reading = picture ? reader.readGrey(bitmapToGrey(picture.bitmap, picture.part)) : reader.readStrokes(strokes);
      showProblem("");
    } catch (error) {
      showProblem(picture ? `${picture.name}: ${error.message}` : error.message);
    }
  }
  show();
}

function show() {
  byId("text").textContent = reading ? reading.text : "";
  byId("text").classList.toggle("empty", !reading || !reading.text);
  const percent = reading ? Math.round(100 * reading.confidence) : 0;
  byId("confidence").textContent = reading ? (reading.text ? `${percent} % sure` : "no text found") : "";
  byId("meter").style.width = `${percent}%`;
  byId("alternatives").replaceChildren(...(reading ? reading.alternatives : []).filter((one) => one.text).map(
    ({ text, probability }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      const share = probability < 0.005 ? "less than 1 %" : `${Math.round(100 * probability)} %`;
      button.title = `${share} sure`;
      button.setAttribute("aria-label", `Add “${text}” to the text instead, ${share} sure`);
      button.addEventListener("click", () => keep(text));
      return button;
    },
  ));
  byId("other").hidden = !byId("alternatives").childElementCount;
  byId("undo").disabled = byId("clear").disabled = !(strokes.length || picture);
  byId("keep").disabled = !(reading && reading.text);
  byId("copy").disabled = !(byId("kept").value || (reading && reading.text));
  paint();
}

function showProblem(message) {
  byId("problem").textContent = message;
  byId("problem").hidden = !message;
}

// Buttons

function undo() {
  showProblem("");
  if (picture) {
    const { bitmap, part } = picture, whole = { x: 0, y: 0, width: bitmap.width, height: bitmap.height };
    if (part.width < whole.width || part.height < whole.height) picture.part = whole;
    else picture = null;
  } else {
    strokes.pop();
  }
  reading = null;
  show();
  readSoon();
}

function clear() {
  clearTimeout(timer);
  strokes = [];
  picture = reading = null;
  showProblem("");
  show();
}

function keep(text) {
  const kept = byId("kept"), before = kept.value;
  kept.value = before + (before && !/\s$/.test(before) ? (about.reads === "lines" ? "\n" : " ") : "") + text;
  clear();
  pad.focus({ preventScroll: true });
}

async function copy() {
  const text = byId("kept").value || (reading ? reading.text : "");
  try {
    await navigator.clipboard.writeText(text);
    byId("copied").textContent = "Copied.";
  } catch {
    byId("kept").value = text;
    byId("kept").select();
    byId("copied").textContent = "Marked: press Ctrl+C or use the menu to copy.";
  }
}

async function takeImage(file) {
  clear();
  try {
    const bitmap = await openImage(file);
    const part = { x: 0, y: 0, width: bitmap.width, height: bitmap.height };
    picture = { bitmap, part, name: file.name || "the image" };
  } catch (error) {
    showProblem(error.message);
  }
  show();
  read();
}

byId("undo").addEventListener("click", undo);
byId("clear").addEventListener("click", clear);
byId("keep").addEventListener("click", () => keep(reading.text));
byId("copy").addEventListener("click", copy);
byId("kept").addEventListener("input", show);
byId("show-boxes").addEventListener("change", paint);
for (const id of ["file", "photo"]) {
  byId(id).addEventListener("change", (event) => {
    if (event.target.files.length) takeImage(event.target.files[0]);
    event.target.value = "";
  });
}
pad.addEventListener("keydown", (event) => {
  pad.classList.remove("by-pointer");
  const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z";
  if (isUndo || event.key === "Backspace") undo();
  else if (event.key === "Delete" || event.key === "Escape") clear();
  else if (event.key === "Enter" && reading && reading.text) keep(reading.text);
  else if (picture && ARROWS[event.key]) movePart(ARROWS[event.key], event.shiftKey);
  else return;
  event.preventDefault();
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file) {
    event.preventDefault();
    takeImage(file);
  }
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const [file] = event.dataTransfer.files;
  if (file) takeImage(file);
  else showProblem("what was dropped is no file; save the image and drop the file");
});
window.addEventListener("resize", fitPad);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
fitPad();
show();
