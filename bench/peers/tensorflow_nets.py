"""The networks of the sweep `nets` in TensorFlow: a function for each name of nets/."""

from tensorflow_nets_classifiers import (
    densenet,
    efficientnet_infer,
    efficientnet_train,
    mobilenet_infer,
    mobilenet_train,
    resnet50,
    vgg_infer,
    vgg_train,
)
from tensorflow_nets_functions import dpsgd, pinn
from tensorflow_nets_images import diffusion, generator, mixer, unet, vae, vit
from tensorflow_nets_sequences import bert, bilstm, gpt_decode, gru, llama, recommender, tcn, textcnn, translator

nets = {
    "mobilenet_train_b16": mobilenet_train,
    "mobilenet_infer_b1": mobilenet_infer,
    "densenet_train_b16": densenet,
    "efficientnet_train_b16": efficientnet_train,
    "efficientnet_infer_b1": efficientnet_infer,
    "resnet50_infer_b1": resnet50,
    "vgg11_train_b16": vgg_train,
    "vgg11_infer_b1": vgg_infer,
    "unet_train_b4": unet,
    "dcgan_infer_b16": generator,
    "diffusion_train_b8": diffusion,
    "vit_train_b32": vit,
    "mixer_train_b32": mixer,
    "translator_train_b8t32": translator,
    "bert_train_b8t96": bert,
    "llama_train_b4t128": llama,
    "gpt_decode_b1": gpt_decode,
    "gru_train_b32t64": gru,
    "bilstm_train_b32t50": bilstm,
    "textcnn_train_b64t60": textcnn,
    "tcn_train_b16t256": tcn,
    "recommender_train_b1024": recommender,
    "vae_train_b128": vae,
    "pinn_train_b1024": pinn,
    "dpsgd_grad_b32": dpsgd,
}
