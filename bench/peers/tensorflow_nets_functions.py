"""Networks in TensorFlow whose work lies in how they are differentiated."""

import keras
import tensorflow as tf
from tensorflow import nn

from tensorflow_layers import dense, trainer


class PhysicsNet(keras.Model):
    def __init__(self, kernels, viscosity):
        super().__init__()
        *hidden, last = kernels
        self.u = keras.Sequential([*(dense(kernel, "tanh") for kernel in hidden), dense(last)])
        self.u.build((None, hidden[0].shape[0]))
        self.viscosity = viscosity

    def call(self, x):
        with tf.GradientTape() as curves:
            curves.watch(x)
            with tf.GradientTape() as slopes:
                slopes.watch(x)
                u = self.u(x)
            first = slopes.gradient(u, x)
            slope = first[:, 1]
        second = curves.gradient(slope, x)
        return first[:, :1] + u * first[:, 1:] - second[:, 1:] * self.viscosity


def pinn(x, labels, viscosity, **kernels):
    return trainer(PhysicsNet(kernels.values(), viscosity), x, labels, loss_of=keras.losses.MeanSquaredError())


def dpsgd(x, labels, **kernels):
    x, labels, kernels = tf.constant(x), tf.constant(labels), [tf.constant(kernel) for kernel in kernels.values()]

    def gradients(kernels, image, label):
        first, second, last = kernels
        with tf.GradientTape() as tape:
            tape.watch(kernels)
            y = nn.max_pool2d(nn.relu(nn.conv2d(image[None], first, 1, "VALID")), 2, 2, "VALID")
            y = nn.max_pool2d(nn.relu(nn.conv2d(y, second, 1, "VALID")), 2, 2, "VALID")
            logits = tf.reshape(y, (1, -1)) @ last
            loss = tf.reduce_sum(nn.sparse_softmax_cross_entropy_with_logits(label[None], logits))
        return tf.concat([tf.reshape(one, [-1]) for one in tape.gradient(loss, kernels)], 0)

    @tf.function
    def step(kernels, x, labels):
        together = tf.vectorized_map(lambda example: gradients(kernels, *example), (x, labels))
        norms = tf.norm(together, axis=1, keepdims=True)
        return tf.reduce_mean(together * tf.minimum(1 / norms, 1), 0)

    return lambda: step(kernels, x, labels)
