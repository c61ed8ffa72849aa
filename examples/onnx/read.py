"""Reads PNG files by onnxruntime and numpy alone, as docs/export.md says: python read.py MODEL.onnx IMAGE.png ..."""

import json
import pathlib
import struct
import sys
import zlib

import numpy as np
import onnxruntime


def open_png(path):
    data, chunks, start = pathlib.Path(path).read_bytes(), {b"IHDR": b"", b"IDAT": b""}, 8
    while start < len(data):
        size, name = struct.unpack(">I4s", data[start : start + 8])
        chunks[name] = chunks.get(name, b"") + data[start + 8 : start + 8 + size]
        start += 12 + size
    width, height, bits, color, *other = struct.unpack(">IIBBBBB", chunks[b"IHDR"].ljust(13))
    if bits != 8 or color not in (0, 2) or any(other):
        sys.exit(f"{path}: not a grey or RGB PNG file of 8 bits, without transparency and interlacing")
    channels, content, rows = color + 1, zlib.decompress(chunks[b"IDAT"]), [bytes(width * (color + 1))]
    for line in range(0, len(content), width * channels + 1):
        row, above = bytearray(content[line + 1 : line + 1 + width * channels]), rows[-1]
        for i, up in enumerate(above):
            left, corner = (row[i - channels], above[i - channels]) if i >= channels else (0, 0)
            nearest = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
            row[i] = (row[i] + (0, left, up, (left + up) // 2, nearest)[content[line]]) % 256
        rows.append(row)
    pixels = np.array([list(row) for row in rows[1:]]).reshape(height, width, channels)
    return pixels[..., 0] if channels == 1 else (pixels @ [19595, 38470, 7471] + 32768) >> 16


def resize(rows, size):  # along the first axis: the mean under a triangle two new pixels wide, or two old ones
    step = len(rows) / size
    away = np.abs(np.arange(len(rows)) + 0.5 - (np.arange(size)[:, None] + 0.5) * step)
    weights = np.maximum(0, 1 - away / max(step, 1))
    return np.floor(weights @ rows / weights.sum(axis=1, keepdims=True) + 0.5)


def preprocess(grey, p):  # to the model's image, and how many of its columns count
    image = np.full((p["height_px"], p["width_px"]), 255, np.uint8)
    if np.ptp(grey) < p["min_contrast"]:
        sys.exit("an image without ink")
    counts, values = np.bincount(grey.ravel(), minlength=256), np.arange(256)
    below, total, sums = np.cumsum(counts), grey.size, np.cumsum(counts * values)  # Otsu's threshold
    spread = (total * sums - below * sums[-1]).astype(float) ** 2 / np.maximum(below * (total - below), 1)
    threshold = int(np.quantile(np.flatnonzero(spread >= spread.max() * (1 - 1e-12)), 0.5, method="higher"))
    dark = grey <= threshold
    share, edge = dark.mean(), np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]]).mean()
    least = p["dark_border"] if share > p["dark_inside"] else p["closed_border"]
    if share > p["bold_inside"] and edge >= max(share, least):  # light ink on dark
        grey, counts, threshold = 255 - grey, counts[::-1], 254 - threshold
    light, ink = np.cumsum(counts[threshold + 1 :]), np.cumsum(counts[: threshold + 1])
    quartile, middle = (threshold + 1 + np.searchsorted(light, light[-1] * share) for share in (0.25, 0.5))
    depth = 255 - values * (255 / middle)  # of each grey level: 0 is the background
    darkest, uneven = depth[np.searchsorted(ink, ink[-1] * p["ink_share"])], max(depth[quartile], p["even_background"])
    depth *= max(1, min((255 - p["black"]) / darkest, darkest / (p["stands_out"] * uneven)))
    margin, wide = p["margin_px"], grey.shape[1] * p["horizontal_scale"]
    scale = min(p["height_px"] / len(grey), (p["width_px"] - 2 * margin) / wide, p["max_enlargement"])
    height, width = round(len(grey) * scale), round(wide * scale)
    rows_first = width > grey.shape[1] and height < len(grey)  # as Pillow 13 does
    turned = resize(resize(grey, height).T, width) if rows_first else resize(resize(grey.T, width).T, height).T
    top, left = (p["height_px"] - height) // 2, margin if p["kind"] == "line" else (p["width_px"] - width) // 2
    image[top : top + height, left : left + width] = np.clip(np.round(255 - depth), 0, 255)[turned.T.astype(int)]
    last = np.flatnonzero(image.min(axis=0) < 255)[-1] + 1
    return image, min(last + margin, p["width_px"]) if p["kind"] == "line" else p["width_px"]


model = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = model.get_modelmeta().custom_metadata_map
numbers, characters = json.loads(about["preprocessing"]), about["characters"]
for path in sys.argv[2:]:
    image, width = preprocess(open_png(path), numbers)
    inputs = {"images": image[None], "widths": np.array([width], np.int32)}
    log_probs, *frames = model.run(None, {each.name: inputs[each.name] for each in model.get_inputs()})
    best = log_probs[0].argmax(axis=-1)[: frames[0][0] if frames else None]
    text = best[(best != np.append(-1, best[:-1])) & (best >= 1) & (best <= len(characters))]
    print(path, "".join(characters[i - 1] for i in text), sep="\t")
