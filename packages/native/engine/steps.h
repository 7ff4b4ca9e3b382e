// One decoder for each kind of instruction; the numbers it reads are described where it is defined.
#pragma once

#include <memory>

#include "program.h"

namespace nagare {

using Decoder = std::unique_ptr<Step>(Reader& reader, const Kernels& kernels);

Decoder decode_elementwise, decode_elementwise_group;

Decoder decode_reduce;
Decoder decode_copy, decode_fill, decode_pad, decode_iota;
Decoder decode_gather, decode_scatter_add, decode_subtract_rows;
Decoder decode_random_bits;

Decoder decode_softmax, decode_softmax_grad, decode_log_softmax, decode_log_softmax_grad;
Decoder decode_softmax_cross_entropy, decode_softmax_cross_entropy_grad;
Decoder decode_layer_norm, decode_layer_norm_grad, decode_rms_norm, decode_rms_norm_grad;
Decoder decode_channel_moments, decode_channel_products, decode_batch_norm_grad;

Decoder decode_attention, decode_attention_grad;

Decoder decode_lstm, decode_lstm_grad, decode_gru, decode_gru_grad;

Decoder decode_matmul, decode_pack_matrix;
Decoder decode_pack_filters, decode_conv2d, decode_conv2d_input_grad, decode_conv2d_filter_grad;
Decoder decode_max_pool, decode_max_pool_select, decode_max_pool_scatter, decode_avg_pool, decode_avg_pool_grad;

// The layout in which a convolution's filters are worth having in advance. The numbers are those that its instruction begins with, its dtype
// and its sizes; throws InvalidProgram.
FilterLayout filter_layout(const Kernels& kernels, const int32_t* begin, const int32_t* end);

}  // namespace nagare
