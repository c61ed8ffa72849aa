// CTC's loss (Graves et al. 2006) and its gradient in closed form, a task a sample.
//
// Logits are [B, T, K] float32, the blank the last class; labels [B, L], lengths [B] and frames [B] int32, of which so many count. Variables
// are logarithms; LEAST stands for that of 0, so that differences stay numbers.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "activations.h"
#include "tasks.h"
#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

constexpr float LEAST = -1e5f;
// Before the first place of a row lie two that nothing reaches.
constexpr int64_t MARGIN = 16;

// What is no number stays so in `a`.
inline Vector most_of(Vector a, Vector b) { return b > a ? b : a; }
inline float most_of(float a, float b) { return b > a ? b : a; }

// One after the other, so that the sum has the same bits whatever the vectors.
void log_softmax(const float* logits, int64_t classes, float* log_probs) {
  float most = logits[0], total = 0;
  for (int64_t k = 1; k < classes; ++k) most = std::max(most, logits[k]);
  for (int64_t k = 0; k < classes; k += LANES) {
    Vector values{};
    const int64_t some = std::min<int64_t>(LANES, classes - k);
    std::memcpy(&values, logits + k, some * sizeof(float));
    values = exponential(bounded(values - most));
    for (int64_t lane = 0; lane < some; ++lane) total += values[lane];
  }
  const float log_total = most + logarithm(repeat(total))[0];
  for (int64_t k = 0; k < classes; ++k) log_probs[k] = logits[k] - log_total;
}

// A label's ids with blanks around them, from the left or from the right.
struct Spelling {
  std::vector<int32_t> ids;
  Scratch skips;  // 0 where a path may come from two places before, else LEAST

  Spelling(const int32_t* label, int64_t length, int32_t blank, bool reversed) : ids(2 * length + 1, blank), skips(2 * length + 1 + LANES) {
    for (int64_t at = 0; at < length; ++at) ids[2 * at + 1] = label[reversed ? length - 1 - at : at];
    for (size_t s = 0; s < ids.size(); ++s) skips.data()[s] = s > 1 && ids[s] != blank && ids[s] != ids[s - 2] ? 0 : LEAST;
  }

  // Of a frame, to `emitted`.
  void emit(const float* log_probs, float* emitted) const {
    for (size_t s = 0; s < ids.size(); ++s) emitted[s] = log_probs[ids[s]];
  }

  // Takes the most of a frame's variables from all of them, and returns it: near 0 they are exact.
  float lower(float* variables) const {
    const int64_t places = ids.size();
    Vector mosts = repeat(LEAST);
    for (int64_t s = 0; s < places; s += LANES) mosts = most_of(load(variables + s), mosts);
    float most = mosts[0];
    for (int lane = 1; lane < LANES; ++lane) most = most_of(mosts[lane], most);
    for (int64_t s = 0; s < places; s += LANES) store(variables + s, most_of(load(variables + s) - most, repeat(LEAST)));
    std::fill(variables + places, variables + places + LANES, LEAST);
    return most;
  }

  // One frame: to every place lead the paths from it, from the one before, and from two before where that may be skipped.
  void advance(const float* before, const float* emitted, float* after) const {
    const int64_t places = ids.size();
    for (int64_t s = 0; s < places; s += LANES) {
      const Vector same = load(before + s), one = load(before + s - 1), two = load(before + s - 2) + load(skips.data() + s);
      const Vector most = most_of(most_of(same, one), two);
      const Vector total = exponential(bounded(same - most)) + exponential(bounded(one - most)) + exponential(bounded(two - most));
      store(after + s, most_of(most + logarithm(total) + load(emitted + s), repeat(LEAST)));
    }
    std::fill(after + places, after + places + LANES, LEAST);
  }
};

// A sample's loss; the gradient of its frames that count is written to `gradient` [T, K].
float compute(const float* logits, int64_t frames, int64_t classes, const int32_t* label, int64_t length, float* gradient) {
  const int32_t blank = classes - 1;
  const Spelling spelling(label, length, blank, false), backward(label, length, blank, true);
  const int64_t places = spelling.ids.size(), row = (MARGIN + places + 2 * LANES) / LANES * LANES;
  Scratch log_probs_scratch(frames * classes), reached_scratch((frames + 1) * row), emitted_scratch(2 * row);
  float *const log_probs = log_probs_scratch.data(), *const reached = reached_scratch.data() + MARGIN;
  float *const emitted = emitted_scratch.data(), *const shares = emitted + row;
  const auto start = [&](float* variables) {
    std::fill(variables - MARGIN, variables - MARGIN + row, LEAST);
    variables[0] = 0;
  };
  start(reached);
  std::vector<double> lowered(frames + 1);
  for (int64_t t = 0; t < frames; ++t) {
    log_softmax(logits + t * classes, classes, log_probs + t * classes);
    spelling.emit(log_probs + t * classes, emitted);
    float* const after = reached + (t + 1) * row;
    std::fill(after - MARGIN, after, LEAST);
    spelling.advance(after - row, emitted, after);
    lowered[t + 1] = lowered[t] + spelling.lower(after);
  }
  const float *const last = reached + frames * row, end = last[places - 1], before_end = places > 1 ? last[places - 2] : LEAST;
  const float most = most_of(end, before_end);
  const Vector powers = exponential(bounded(repeat(end - most))) + exponential(bounded(repeat(before_end - most)));
  const double log_total = lowered[frames] + (most + logarithm(powers)[0]);
  // From the right, two rows in turn.
  Scratch right_scratch(2 * row);
  float *before = right_scratch.data() + MARGIN, *after = before + row;
  start(before), start(after);
  double lowered_right = 0;
  for (int64_t t = frames - 1; t >= 0; --t, std::swap(before, after)) {
    const float *const log_prob = log_probs + t * classes, *const left = reached + (t + 1) * row;
    float* const given = gradient + t * classes;
    backward.emit(log_prob, emitted);
    backward.advance(before, emitted, after);
    lowered_right += backward.lower(after);
    const float rest = lowered[t + 1] + lowered_right - log_total;
    // Of the paths that spell the label, the share that is at a place: both variables hold what it emits.
    for (int64_t s = 0; s < places; ++s) shares[s] = left[s] + after[places - 1 - s] - log_prob[spelling.ids[s]] + rest;
    for (int64_t s = 0; s < places; s += LANES) {
      const Vector share = load(shares + s);
      store(shares + s, exponential(bounded(share > 0.0f ? Vector{} : share)));
    }
    for (int64_t k = 0; k < classes; k += LANES) {
      Vector values{};
      const int64_t some = std::min<int64_t>(LANES, classes - k);
      std::memcpy(&values, log_prob + k, some * sizeof(float));
      values = exponential(bounded(values));
      std::memcpy(given + k, &values, some * sizeof(float));
    }
    for (int64_t s = 0; s < places; ++s) given[spelling.ids[s]] -= shares[s];
  }
  return -log_total;
}

ffi::Error Losses(ffi::ThreadPool pool, ffi::Buffer<ffi::F32> logits, ffi::Buffer<ffi::S32> labels, ffi::Buffer<ffi::S32> lengths,
                  ffi::Buffer<ffi::S32> frames, ffi::ResultBuffer<ffi::F32> losses, ffi::ResultBuffer<ffi::F32> gradient) {
  const auto d = logits.dimensions();
  const int64_t all = d[1], classes = d[2], longest = labels.dimensions()[1];
  for_each_task(pool, d[0], [&](int64_t sample) {
    const int64_t count = std::clamp<int64_t>(frames.typed_data()[sample], 0, all), start = sample * all * classes;
    const int64_t length = std::clamp<int64_t>(lengths.typed_data()[sample], 0, longest);
    float* const own = gradient->typed_data() + start;
    losses->typed_data()[sample] =
        compute(logits.typed_data() + start, count, classes, labels.typed_data() + sample * longest, length, own);
    std::memset(own + count * classes, 0, (all - count) * classes * sizeof(float));
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(hwr_jax_ctc, Losses);
