// Runs one kernel without XLA: run_kernel NAME ARRAY... - ARRAY..., an array "f32,3,16", "s32,3" or "s8,3,16" with its type and sizes.
// The bytes of the operands come in, one after the other, and those of the results go out.

#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "xla/ffi/api/c_api.h"

extern "C" XLA_FFI_Handler hwr_jax_convolve, hwr_jax_convolution_gradient, hwr_jax_convolve_and_pool, hwr_jax_kernel_gradient,
    hwr_jax_image_gradient, hwr_jax_ctc, hwr_jax_dense, hwr_jax_dense_gradient, hwr_jax_lstm, hwr_jax_lstm_inference,
    hwr_jax_lstm_gradient, hwr_jax_normalize, hwr_jax_normalize_gradient, hwr_jax_normalize_and_rectify,
    hwr_jax_normalize_and_rectify_gradient;

static const std::map<std::string, XLA_FFI_Handler*> KERNELS = {
    {"convolve", hwr_jax_convolve},
    {"convolution_gradient", hwr_jax_convolution_gradient},
    {"convolve_and_pool", hwr_jax_convolve_and_pool},
    {"kernel_gradient", hwr_jax_kernel_gradient},
    {"image_gradient", hwr_jax_image_gradient},
    {"ctc", hwr_jax_ctc},
    {"dense", hwr_jax_dense},
    {"dense_gradient", hwr_jax_dense_gradient},
    {"lstm", hwr_jax_lstm},
    {"lstm_inference", hwr_jax_lstm_inference},
    {"lstm_gradient", hwr_jax_lstm_gradient},
    {"normalize", hwr_jax_normalize},
    {"normalize_gradient", hwr_jax_normalize_gradient},
    {"normalize_and_rectify", hwr_jax_normalize_and_rectify},
    {"normalize_and_rectify_gradient", hwr_jax_normalize_and_rectify_gradient},
};

struct Array {
  std::vector<int64_t> sizes;
  std::vector<char> bytes;
  XLA_FFI_Buffer buffer{};

  explicit Array(const char* text) {
    const bool bytewise = text[0] == 's' && text[1] == '8';
    size_t count = bytewise ? 1 : 4;
    for (const char* comma = text; (comma = std::strchr(comma, ',')); ++comma) {
      sizes.push_back(std::atoll(comma + 1));
      count *= sizes.back();
    }
    bytes.resize(count);
    buffer = {XLA_FFI_Buffer_STRUCT_SIZE, nullptr, text[0] == 'f' ? XLA_FFI_DataType_F32 : bytewise ? XLA_FFI_DataType_S8 : XLA_FFI_DataType_S32, bytes.data(),
              static_cast<int64_t>(sizes.size()), sizes.data()};
  }
};

static XLA_FFI_Error* one_thread(XLA_FFI_ThreadPool_NumThreads_Args* arguments) {
  *arguments->num_threads = 1;
  return nullptr;
}

int main(int count, char** words) {
  std::deque<Array> arrays;
  std::vector<void*> operands, results;
  bool after = false;
  for (int word = 2; word < count; ++word) {
    if (!std::strcmp(words[word], "-")) {
      after = true;
      continue;
    }
    Array& array = arrays.emplace_back(words[word]);
    (after ? results : operands).push_back(&array.buffer);
    if (!after && std::fread(array.bytes.data(), 1, array.bytes.size(), stdin) != array.bytes.size()) return 2;
  }
  std::vector<XLA_FFI_ArgType> operand_types(operands.size(), XLA_FFI_ArgType_BUFFER);
  std::vector<XLA_FFI_RetType> result_types(results.size(), XLA_FFI_RetType_BUFFER);
  XLA_FFI_Api api{};
  api.XLA_FFI_ThreadPool_NumThreads = one_thread;
  XLA_FFI_CallFrame frame{};
  frame.struct_size = XLA_FFI_CallFrame_STRUCT_SIZE;
  frame.api = &api;
  frame.stage = XLA_FFI_ExecutionStage_EXECUTE;
  frame.args = {XLA_FFI_Args_STRUCT_SIZE, nullptr, static_cast<int64_t>(operands.size()), operand_types.data(), operands.data()};
  frame.rets = {XLA_FFI_Rets_STRUCT_SIZE, nullptr, static_cast<int64_t>(results.size()), result_types.data(), results.data()};
  frame.attrs.struct_size = XLA_FFI_Attrs_STRUCT_SIZE;
  if (KERNELS.at(words[1])(&frame)) return 3;
  for (size_t index = operands.size(); index < arrays.size(); ++index)
    std::fwrite(arrays[index].bytes.data(), 1, arrays[index].bytes.size(), stdout);
}
