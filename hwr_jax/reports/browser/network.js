// The network: the steps that hwr_jax/models/browser_model.py wrote, computed by the kernels.

// Columns of an image whose patches are laid out together: so many rows of a product stay in the processor's cache.
const ROWS_TOGETHER = 64;
const PAGE_BYTES = 65536;

// Takes the bytes of kernels.wasm, those of the weights, and what the plan says of both.
async function buildNetwork(kernelBytes, weightBytes, plan) {
  const { instance } = await WebAssembly.instantiate(kernelBytes, {});
  const kernels = instance.exports;
  const memory = kernels.memory;
  let end = kernels.__heap_base.value;

  // Room for so many numbers, and the address of the first.
  function take(count) {
    const address = (end + 15) & ~15;
    end = address + 4 * count;
    if (end > memory.buffer.byteLength) {
      memory.grow(Math.ceil((end - memory.buffer.byteLength) / PAGE_BYTES));
    }
    return address;
  }

  // Anew each time: memory that grows leaves older views behind.
  function view(address, count) {
    return new Float32Array(memory.buffer, address, count);
  }

  const addresses = plan.arrays.map((array) => {
    const address = take(array.length);
    const scales = array.scales === null || array.scales === undefined ? null : plan.arrays[array.scales];
    unpackWeights(view(address, array.length), weightBytes, array, scales);
    return address;
  });
  const heap = end;

  // Features that are no multiple of 8 have zeros behind them, which no other step expects.
  function narrow(address, rows, from, to) {
    if (from !== to) {
      const values = view(address, rows * from);
      for (let row = 1; row < rows; row++) values.copyWithin(row * to, row * from, row * from + to);
    }
  }

  // Each step takes and gives {address, width, height, channels}; frames are images of one row.
  const steps = {
    convolve(x, step) {
      const columns = fillUp(step.features);
      const strip = Math.max(1, Math.floor(ROWS_TOGETHER / x.height));
      const out = take(x.width * x.height * columns);
      const patches = take(strip * x.height * 9 * x.channels);
      kernels.convolve(x.address, addresses[step.weights], addresses[step.bias], out, patches,
        x.width, x.height, x.channels, columns, strip, step.rectified ? 1 : 0);
      narrow(out, x.width * x.height, columns, step.features);
      return { ...x, address: out, channels: step.features };
    },
    pool(x) {
      const width = x.width >> 1, height = x.height >> 1;
      const out = take(width * height * x.channels);
      kernels.pool(x.address, out, x.width, x.height, x.channels);
      return { ...x, address: out, width, height };
    },
    normalize(x, step) {
      const out = take(x.width * x.height * x.channels);
      kernels.normalize(x.address, addresses[step.scale], addresses[step.bias], out, x.width * x.height, x.channels,
        step.epsilon, step.rectified ? 1 : 0);
      return { ...x, address: out };
    },
    rectify(x) {
      const out = take(x.width * x.height * x.channels);
      kernels.rectify_all(x.address, out, x.width * x.height * x.channels);
      return { ...x, address: out };
    },
    keep(x, step, kept) {
      kept.push(x);
      return x;
    },
    add_kept(x, step, kept) {
      kernels.add(kept.pop().address, x.address, x.width * x.height * x.channels);
      return x;
    },
    columns_to_frames(x) {
      return { ...x, height: 1, channels: x.height * x.channels };
    },
    column_max(x) {
      const out = take(x.width * x.channels);
      kernels.column_max(x.address, out, x.width, x.height, x.channels);
      return { ...x, address: out, height: 1 };
    },
    dense(x, step) {
      const columns = fillUp(step.features);
      const out = take(x.width * columns);
      kernels.multiply(x.address, addresses[step.weights], addresses[step.bias], out, x.width, x.channels, columns,
        step.rectified ? 1 : 0);
      narrow(out, x.width, columns, step.features);
      return { ...x, address: out, channels: step.features };
    },
    lstm(x, step) {
      const units = step.units, columns = fillUp(4 * units);
      const out = take(x.width * 2 * units);
      step.directions.forEach((direction, backward) => {
        const projected = take(x.width * columns), scratch = take(columns + 2 * units + 16);
        kernels.multiply(x.address, addresses[direction.weights], addresses[direction.bias], projected, x.width,
          x.channels, columns, 0);
        kernels.lstm(projected, addresses[direction.recurrent], out + 4 * units * backward, scratch, x.width, units,
          columns, 2 * units, backward);
      });
      return { ...x, address: out, channels: 2 * units };
    },
  };

  // Log probabilities [frames, classes] of an input [width, height], Float32Array.
  return function computeLogProbs(input, width, height) {
    end = heap;
    const address = take(input.length);
    view(address, input.length).set(input);
    let x = { address, width, height, channels: 1 };
    const kept = [];
    for (const step of plan.steps) x = steps[step.kind](x, step, kept);
    const logits = view(x.address, x.width * x.channels).slice();
    return { logProbs: logSoftmax(logits, x.channels), frames: x.width, classes: x.channels };
  };
}

function fillUp(columns) {
  return 8 * Math.ceil(columns / 8);
}

function unpackWeights(out, bytes, array, scales) {
  if (array.type === "float32") {
    out.set(new Float32Array(bytes.buffer, bytes.byteOffset + array.start, array.length));
  } else if (array.type === "float16") {
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset + array.start, array.length);
    for (let i = 0; i < array.length; i++) out[i] = halfToFloat(halves[i]);
  } else {
    const numbers = new Int8Array(bytes.buffer, bytes.byteOffset + array.start, array.length);
    const factors = new Float32Array(bytes.buffer, bytes.byteOffset + scales.start, scales.length);
    const panel = 8 * array.inner;
    for (let i = 0; i < array.length; i++) out[i] = numbers[i] * factors[8 * Math.floor(i / panel) + (i & 7)];
  }
}

// IEEE 754 binary16.
function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}

function logSoftmax(logits, classes) {
  for (let start = 0; start < logits.length; start += classes) {
    let most = -Infinity, sum = 0;
    for (let k = start; k < start + classes; k++) most = Math.max(most, logits[k]);
    for (let k = start; k < start + classes; k++) sum += Math.exp(logits[k] - most);
    for (let k = start; k < start + classes; k++) logits[k] -= most + Math.log(sum);
  }
  return logits;
}
