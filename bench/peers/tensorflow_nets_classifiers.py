"""Networks that classify images by convolutions, in TensorFlow."""

import keras
from keras import layers
from keras.activations import relu, relu6, silu

from tensorflow_layers import batch_norm, conv, dense, infer, model_of, momentum, normalized_conv, trainer, windows


def classified(x, head):
    return dense(head)(layers.GlobalAveragePooling2D()(x))


def added(x, y):
    """x + y where the shape stayed."""
    return x + y if x.shape == y.shape else y


def mobilenet(x, kernels):
    kernels = iter(kernels.values())
    layer = lambda x, stride=1: normalized_conv(x, next(kernels), stride)
    x = relu6(layer(x, 2))
    for stride in (2, 1) * 3:
        x = added(x, layer(relu6(layer(relu6(layer(x)), stride))))
    return classified(relu6(layer(x)), next(kernels))


def mobilenet_train(x, labels, **kernels):
    return trainer(model_of(lambda entry: mobilenet(entry, kernels), x), x, labels, momentum())


def mobilenet_infer(x, **kernels):
    return infer(model_of(lambda entry: mobilenet(entry, kernels), x), x)


def densenet(x, labels, **kernels):
    first, *kernels, last = kernels.values()

    def network(x):
        x = conv(x, first, use_bias=False)
        for kernel in kernels:
            y = conv(relu(batch_norm()(x)), kernel, use_bias=False)
            x = layers.Concatenate()([x, y]) if kernel.shape[0] == 3 else layers.AveragePooling2D(2)(y)
        return classified(relu(batch_norm()(x)), last)

    return trainer(model_of(network, x), x, labels, momentum())


def efficientnet(x, kernels):
    kernels = iter(kernels.values())
    layer = lambda x, stride=1: normalized_conv(x, next(kernels), stride)
    x = silu(layer(x, 2))
    for stride in (2, 1, 2, 1, 2, 1):
        y = silu(layer(silu(layer(x)), stride))
        squeeze, excite = next(kernels), next(kernels)
        means = layers.GlobalAveragePooling2D(keepdims=True)(y)
        x = added(x, layer(y * dense(excite, "sigmoid")(dense(squeeze, "silu")(means))))
    return classified(silu(layer(x)), next(kernels))


def efficientnet_train(x, labels, **kernels):
    return trainer(model_of(lambda entry: efficientnet(entry, kernels), x), x, labels, momentum())


def efficientnet_infer(x, **kernels):
    return infer(model_of(lambda entry: efficientnet(entry, kernels), x), x)


def resnet50(x, **kernels):
    kernels = iter(kernels.values())
    layer = lambda x, stride=1: normalized_conv(x, next(kernels), stride)

    def network(x):
        x = layers.MaxPool2D(3, 2)(layers.ZeroPadding2D(1)(relu(layer(x, 2))))
        for stage, count in enumerate((3, 4, 6, 3)):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                y = layer(relu(layer(relu(layer(x)), stride)))
                x = relu(y + (layer(x, stride) if block == 0 else x))
        return classified(x, next(kernels))

    return infer(model_of(network, x), x)


def vgg(kernels):
    *convolutions, first, second, last = kernels.values()
    model = keras.Sequential()
    for i, kernel in enumerate(convolutions):
        model.add(windows(kernel, padding="same", activation="relu"))
        if i in (0, 1, 3, 5, 7):
            model.add(layers.MaxPool2D())
    for layer in (layers.Flatten(), dense(first, "relu"), dense(second, "relu"), dense(last)):
        model.add(layer)
    return model


def vgg_infer(x, **kernels):
    return infer(model_of(vgg(kernels), x), x)


def vgg_train(x, labels, **kernels):
    return trainer(model_of(vgg(kernels), x), x, labels)
