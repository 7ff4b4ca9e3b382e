#include "steps.h"

namespace nagare {

// Names are those of the operations they carry out, so that the TypeScript side finds the codes by them.
const std::vector<InstructionKind>& instruction_kinds() {
  static const std::vector<InstructionKind> kinds = {
      {"elementwise", decode_elementwise},
      {"elementwiseGroup", decode_elementwise_group},
      {"reduce", decode_reduce},
      {"copy", decode_copy},
      {"fill", decode_fill},
      {"pad", decode_pad},
      {"iota", decode_iota},
      {"gather", decode_gather},
      {"scatterAdd", decode_scatter_add},
      {"subtractRows", decode_subtract_rows},
      {"randomBits", decode_random_bits},
      {"softmax", decode_softmax},
      {"softmaxGrad", decode_softmax_grad},
      {"attention", decode_attention},
      {"attentionGrad", decode_attention_grad},
      {"lstm", decode_lstm},
      {"lstmGrad", decode_lstm_grad},
      {"gru", decode_gru},
      {"gruGrad", decode_gru_grad},
      {"logSoftmax", decode_log_softmax},
      {"logSoftmaxGrad", decode_log_softmax_grad},
      {"softmaxCrossEntropy", decode_softmax_cross_entropy},
      {"softmaxCrossEntropyGrad", decode_softmax_cross_entropy_grad},
      {"layerNorm", decode_layer_norm},
      {"layerNormGrad", decode_layer_norm_grad},
      {"rmsNorm", decode_rms_norm},
      {"rmsNormGrad", decode_rms_norm_grad},
      {"channelMoments", decode_channel_moments},
      {"channelProducts", decode_channel_products},
      {"batchNormGrad", decode_batch_norm_grad},
      {"matmul", decode_matmul},
      {"packMatrix", decode_pack_matrix},
      {"packFilters", decode_pack_filters},
      {"conv2d", decode_conv2d},
      {"conv2dInputGrad", decode_conv2d_input_grad},
      {"conv2dFilterGrad", decode_conv2d_filter_grad},
      {"maxPool2d", decode_max_pool},
      {"maxPool2dSelect", decode_max_pool_select},
      {"maxPool2dScatter", decode_max_pool_scatter},
      {"avgPool2d", decode_avg_pool},
      {"avgPool2dGrad", decode_avg_pool_grad},
  };
  return kinds;
}

}  // namespace nagare
