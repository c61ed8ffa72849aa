// The layers' arithmetic, in float32, as WebAssembly with SIMD: what plain JavaScript takes several times as long for.
//
// Images are [W, H, C] and frames [T, F], one sample at a time. Weights are packed in panels of 8 columns,
// [columns / 8, inner, 8], columns filled up with zeros to a multiple of 8: see hwr_jax/reports/browser_weights.py.
// build.sh makes kernels.wasm of this file.

#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name))) name
#define PANEL 8

static v128_t rectify(v128_t x) { return wasm_f32x4_pmax(wasm_f32x4_const_splat(0), x); }

// out[r, :] = a[r, :] @ weights + bias, for 4 rows and one panel at a time: 8 sums stay in registers.
static void multiply_4_rows(const float *a, const float *panel, const float *bias, float *out, int inner, int out_step,
                            int rectified) {
    v128_t sums[4][2];
    for (int r = 0; r < 4; r++) {
        sums[r][0] = wasm_v128_load(bias);
        sums[r][1] = wasm_v128_load(bias + 4);
    }
    const float *a1 = a + inner, *a2 = a1 + inner, *a3 = a2 + inner;
    for (int k = 0; k < inner; k++) {
        v128_t left = wasm_v128_load(panel + PANEL * k), right = wasm_v128_load(panel + PANEL * k + 4);
        v128_t x0 = wasm_v128_load32_splat(a + k), x1 = wasm_v128_load32_splat(a1 + k);
        v128_t x2 = wasm_v128_load32_splat(a2 + k), x3 = wasm_v128_load32_splat(a3 + k);
        sums[0][0] = wasm_f32x4_add(sums[0][0], wasm_f32x4_mul(x0, left));
        sums[0][1] = wasm_f32x4_add(sums[0][1], wasm_f32x4_mul(x0, right));
        sums[1][0] = wasm_f32x4_add(sums[1][0], wasm_f32x4_mul(x1, left));
        sums[1][1] = wasm_f32x4_add(sums[1][1], wasm_f32x4_mul(x1, right));
        sums[2][0] = wasm_f32x4_add(sums[2][0], wasm_f32x4_mul(x2, left));
        sums[2][1] = wasm_f32x4_add(sums[2][1], wasm_f32x4_mul(x2, right));
        sums[3][0] = wasm_f32x4_add(sums[3][0], wasm_f32x4_mul(x3, left));
        sums[3][1] = wasm_f32x4_add(sums[3][1], wasm_f32x4_mul(x3, right));
    }
    for (int r = 0; r < 4; r++)
        for (int half = 0; half < 2; half++)
            wasm_v128_store(out + r * out_step + 4 * half, rectified ? rectify(sums[r][half]) : sums[r][half]);
}

// One row: four steps of the sum at a time, so that none waits for the one before.
static void multiply_1_row(const float *a, const float *panel, const float *bias, float *out, int inner,
                           int rectified) {
    v128_t zero = wasm_f32x4_const_splat(0), sums[4][2];
    for (int i = 0; i < 4; i++) sums[i][0] = sums[i][1] = zero;
    sums[0][0] = wasm_v128_load(bias);
    sums[0][1] = wasm_v128_load(bias + 4);
    int k = 0;
    for (; k + 4 <= inner; k += 4)
        for (int i = 0; i < 4; i++) {
            v128_t x = wasm_v128_load32_splat(a + k + i);
            const float *row = panel + PANEL * (k + i);
            sums[i][0] = wasm_f32x4_add(sums[i][0], wasm_f32x4_mul(x, wasm_v128_load(row)));
            sums[i][1] = wasm_f32x4_add(sums[i][1], wasm_f32x4_mul(x, wasm_v128_load(row + 4)));
        }
    for (; k < inner; k++) {
        v128_t x = wasm_v128_load32_splat(a + k);
        sums[0][0] = wasm_f32x4_add(sums[0][0], wasm_f32x4_mul(x, wasm_v128_load(panel + PANEL * k)));
        sums[0][1] = wasm_f32x4_add(sums[0][1], wasm_f32x4_mul(x, wasm_v128_load(panel + PANEL * k + 4)));
    }
    for (int half = 0; half < 2; half++) {
        v128_t sum = wasm_f32x4_add(wasm_f32x4_add(sums[0][half], sums[1][half]),
                                    wasm_f32x4_add(sums[2][half], sums[3][half]));
        wasm_v128_store(out + 4 * half, rectified ? rectify(sum) : sum);
    }
}

// out[rows, columns] = a[rows, inner] @ weights + bias; columns are those filled up, of weights, bias and out.
void EXPORT(multiply)(const float *a, const float *weights, const float *bias, float *out, int rows, int inner,
                      int columns, int rectified) {
    for (int column = 0; column < columns; column += PANEL) {
        const float *panel = weights + inner * column;
        int row = 0;
        for (; row + 4 <= rows; row += 4)
            multiply_4_rows(a + row * inner, panel, bias + column, out + row * columns + column, inner, columns,
                            rectified);
        for (; row < rows; row++)
            multiply_1_row(a + row * inner, panel, bias + column, out + row * columns + column, inner, rectified);
    }
}

// 3 x 3 convolution, zeros about the image: x[width, height, channels] to out[width, height, columns]. `patches` has
// room for as many columns of the image as `strip` says, each of height x 9 x channels.
void EXPORT(convolve)(const float *x, const float *weights, const float *bias, float *out, float *patches, int width,
                      int height, int channels, int columns, int strip, int rectified) {
    int inner = 9 * channels;
    for (int start = 0; start < width; start += strip) {
        int end = start + strip < width ? start + strip : width;
        float *patch = patches;
        for (int w = start; w < end; w++)
            for (int h = 0; h < height; h++)
                for (int dw = -1; dw <= 1; dw++)
                    for (int dh = -1; dh <= 1; dh++, patch += channels) {
                        int inside = w + dw >= 0 && w + dw < width && h + dh >= 0 && h + dh < height;
                        const float *from = x + ((w + dw) * height + h + dh) * channels;
                        for (int c = 0; c < channels; c++) patch[c] = inside ? from[c] : 0;
                    }
        multiply(patches, weights, bias, out + start * height * columns, (end - start) * height, inner, columns,
                 rectified);
    }
}

// The maximum over 2 x 2 windows, out[width / 2, height / 2, channels].
void EXPORT(pool)(const float *x, float *out, int width, int height, int channels) {
    int next_column = height * channels;
    for (int w = 0; w < width / 2; w++)
        for (int h = 0; h < height / 2; h++, out += channels) {
            const float *from = x + 2 * w * next_column + 2 * h * channels;
            for (int c = 0; c < channels; c++) {
                float upper = from[c] > from[c + channels] ? from[c] : from[c + channels];
                const float *beside = from + next_column;
                float lower = beside[c] > beside[c + channels] ? beside[c] : beside[c + channels];
                out[c] = upper > lower ? upper : lower;
            }
        }
}

// Mean 0 and variance 1 over the channels of every pixel, then scale and bias.
void EXPORT(normalize)(const float *x, const float *scale, const float *bias, float *out, int pixels, int channels,
                       float epsilon, int rectified) {
    for (int pixel = 0; pixel < pixels; pixel++, x += channels, out += channels) {
        float sum = 0, squares = 0;
        for (int c = 0; c < channels; c++) sum += x[c];
        float mean = sum / channels;
        for (int c = 0; c < channels; c++) squares += (x[c] - mean) * (x[c] - mean);
        float factor = 1 / __builtin_sqrtf(squares / channels + epsilon);
        for (int c = 0; c < channels; c++) {
            float y = (x[c] - mean) * factor * scale[c] + bias[c];
            out[c] = rectified && y < 0 ? 0 : y;
        }
    }
}

void EXPORT(rectify_all)(const float *x, float *out, int count) {
    for (int i = 0; i < count; i++) out[i] = x[i] > 0 ? x[i] : 0;
}

void EXPORT(add)(const float *x, float *out, int count) {
    for (int i = 0; i < count; i++) out[i] += x[i];
}

// Of every feature the maximum of its column: x[frames, height, channels] to out[frames, channels].
void EXPORT(column_max)(const float *x, float *out, int frames, int height, int channels) {
    for (int t = 0; t < frames; t++, out += channels)
        for (int h = 0; h < height; h++, x += channels)
            for (int c = 0; c < channels; c++) out[c] = h && out[c] > x[c] ? out[c] : x[c];
}

// e^x for |x| <= 87, to 2 units in the last place: 2^n times a polynomial about 0 (S. L. Moshier, Cephes, expf).
static v128_t exponential(v128_t x) {
    x = wasm_f32x4_min(wasm_f32x4_max(x, wasm_f32x4_const_splat(-87.0f)), wasm_f32x4_const_splat(87.0f));
    v128_t n = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_const_splat(1.44269504f)));
    x = wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_const_splat(0.693359375f)));
    x = wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_const_splat(-2.12194440e-4f)));
    const float terms[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    v128_t y = wasm_f32x4_const_splat(1.9875691500e-4f);
    for (int i = 0; i < 5; i++) y = wasm_f32x4_add(wasm_f32x4_mul(y, x), wasm_f32x4_splat(terms[i]));
    y = wasm_f32x4_add(wasm_f32x4_add(wasm_f32x4_mul(wasm_f32x4_mul(y, x), x), x), wasm_f32x4_const_splat(1));
    v128_t power = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_const_splat(127)), 23);
    return wasm_f32x4_mul(y, power);
}

static v128_t sigmoid(v128_t x) {
    v128_t one = wasm_f32x4_const_splat(1);
    return wasm_f32x4_div(one, wasm_f32x4_add(one, exponential(wasm_f32x4_neg(x))));
}

static v128_t hyperbolic_tangent(v128_t x) {
    v128_t y = sigmoid(wasm_f32x4_add(x, x));
    return wasm_f32x4_sub(wasm_f32x4_add(y, y), wasm_f32x4_const_splat(1));
}

// One direction of an LSTM (Hochreiter and Schmidhuber 1997) with the gates input, forget, cell, output, whose inputs
// are multiplied already: projected[frames, columns], columns at least 4 x units. Of each frame `units` numbers go to
// out + frame x out_step. `scratch` has room for columns + 2 x units + 16 numbers.
void EXPORT(lstm)(const float *projected, const float *weights, float *out, float *scratch, int frames, int units,
                  int columns, int out_step, int backward) {
    // Four at a time may go past the last unit.
    float *gates = scratch, *state = gates + columns + 4, *cell = state + units + 4;
    for (int u = 0; u < units + 4; u++) state[u] = 0;
    for (int u = 0; u < units + 4; u++) cell[u] = 0;
    for (int step = 0; step < frames; step++) {
        int t = backward ? frames - 1 - step : step;
        multiply(state, weights, projected + t * columns, gates, 1, units, columns, 0);
        for (int u = 0; u < units; u += 4) {
            v128_t input = sigmoid(wasm_v128_load(gates + u));
            v128_t forget = sigmoid(wasm_v128_load(gates + units + u));
            v128_t candidate = hyperbolic_tangent(wasm_v128_load(gates + 2 * units + u));
            v128_t output = sigmoid(wasm_v128_load(gates + 3 * units + u));
            v128_t kept = wasm_f32x4_add(wasm_f32x4_mul(forget, wasm_v128_load(cell + u)),
                                         wasm_f32x4_mul(input, candidate));
            wasm_v128_store(cell + u, kept);
            wasm_v128_store(state + u, wasm_f32x4_mul(output, hyperbolic_tangent(kept)));
        }
        for (int u = 0; u < units; u++) out[t * out_step + u] = state[u];
    }
}
