#include "kernels.h"

#define NAGARE_QUOTE(name) #name
#define NAGARE_STRING(name) NAGARE_QUOTE(name)

namespace nagare::NAGARE_ISA {
namespace {

template <typename T>
constexpr MatrixKernels<T> matrix_kernels() {
  if constexpr (T(0.5) != T(0)) return {gemm<T>, gemm_scratch_bytes<T>, gemm_pack<T>, gemm_packed_elements<T>};
  else return {gemm<T>, gemm_scratch_bytes<T>, nullptr, nullptr};
}

template <typename T>
constexpr ImageKernels<T> image_kernels() {
  return {conv2d<T>,
          conv2d_scratch_bytes<T>,
          conv2d_filter_layout<T>,
          conv2d_pack<T>,
          conv2d_packed_elements<T>,
          conv2d_input_gradient<T>,
          conv2d_input_gradient_scratch_bytes<T>,
          conv2d_filter_gradient<T>,
          conv2d_filter_gradient_scratch_bytes<T>,
          max_pool<T>,
          max_pool_select<T>,
          max_pool_scatter<T>,
          avg_pool<T>,
          avg_pool_grad<T>};
}

template <typename T>
constexpr RowKernels<T> row_kernels() {
  return {softmax<T>,
          softmax_gradient<T>,
          log_softmax<T>,
          log_softmax_gradient<T>,
          cross_entropy<T>,
          cross_entropy_gradient<T>,
          layer_norm<T>,
          layer_norm_gradient<T>,
          layer_norm_gradient_scratch_bytes<T>,
          rms_norm<T>,
          rms_norm_gradient<T>,
          channel_moments<T>,
          channel_products<T>,
          batch_norm_gradient<T>,
          batch_norm_scratch_bytes<T>};
}

template <typename T>
constexpr RecurrentKernels<T> recurrent_kernels() {
  return {lstm<T>, lstm_gradient<T>, gru<T>, gru_gradient<T>, recurrent_scratch_bytes<T>};
}

}  // namespace

const Kernels kernels = {NAGARE_STRING(NAGARE_ISA),
                         matrix_kernels<float>(),
                         matrix_kernels<double>(),
                         matrix_kernels<int32_t>(),
                         matrix_kernels<int64_t>(),
                         {gemm_narrow, gemm_narrow_scratch_bytes},
                         image_kernels<float>(),
                         image_kernels<double>(),
                         row_kernels<float>(),
                         row_kernels<double>(),
                         {subtract_rows<float>},
                         {subtract_rows<double>},
                         recurrent_kernels<float>(),
                         recurrent_kernels<double>(),
                         attention,
                         attention_scratch_bytes,
                         attention_gradient,
                         attention_gradient_scratch_bytes,
                         find_tile_function,
                         find_product_then,
                         find_truth_as_float,
                         tile_groups,
                         find_conversion,
                         find_wrap,
                         find_load,
                         find_store,
                         find_splat,
                         find_byte_function,
                         find_narrowing,
                         elementwise,
                         elementwise_range,
                         elementwise_group,
                         reduce,
                         reduce_scratch_bytes,
                         copy,
                         fill,
                         pad,
                         iota,
                         first_bad_index,
                         gather,
                         scatter_add,
                         scatter_add_scratch_bytes,
                         subtract_rows_scratch_bytes,
                         random_bits,
                         arithmetic_probe,
                         copy_probe};

}  // namespace nagare::NAGARE_ISA
