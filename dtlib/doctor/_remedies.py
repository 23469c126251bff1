"""What each finding says: symptom, cause, remedy, and the chapter that explains it.

Tests: tests/test_doctor.py.
"""

from dtlib.doctor.report import Finding


def finding(name, **evidence):
    """The `Finding` of that name with these numbers."""
    symptom, cause, remedy, chapter = SAYS[name]
    return Finding(name, symptom, evidence, cause, remedy, chapter)


SAYS = {
    # data
    "nan_in_data": (
        "The data hold NaN or infinite values.",
        "One such value makes the loss, then every weight, NaN.",
        "Remove or fill these rows before training.",
        "losses",
    ),
    "constant_input": (
        "An input column is the same on every row.",
        "It tells the network nothing; often another column was meant.",
        "Drop the column, or mend the step that made it.",
        "initializers",
    ),
    "unscaled_inputs": (
        "The inputs are far from a root mean square of 1.",
        "Initializers and default rates assume inputs of about that size.",
        "Standardize with the training data's statistics, or divide pixels by 255.",
        "initializers",
    ),
    "uneven_inputs": (
        "Some input columns are far larger than the others.",
        "The loss becomes a narrow valley, and no one rate suits all columns.",
        "Standardize each column with the training data's statistics.",
        "optimizers",
    ),
    "unscaled_targets": (
        "The targets are far from a standard deviation of 1.",
        "Errors and gradients are of the targets' size, whatever the rate.",
        "Standardize the targets, and scale the predictions back.",
        "losses",
    ),
    "leak": (
        "Rows of the validation data are also in the training data.",
        "The split came after copying, augmenting or sampling with replacement.",
        "Split first; then copy or augment the training part only.",
        "regularizers",
    ),
    "labels_shuffled": (
        "The targets look independent of the inputs.",
        "Neither neighbors nor a linear model predict them better than chance: inputs "
        "and targets were put in different orders, or the inputs do not hold the "
        "answer.",
        "Look at ten rows with their targets; shuffle both with one permutation.",
        "losses",
    ),
    # outputs and loss
    "label_shape": (
        "The targets do not have the shape that the loss expects.",
        "Sparse losses take class numbers, the others one number an output.",
        "Change between `sparse_categorical_crossentropy` and "
        "`categorical_crossentropy`, or the shape of the targets.",
        "losses",
    ),
    "outputs_not_classes": (
        "The outputs are not as many as the classes.",
        "A label has no output: on a CPU an error, on a GPU a loss of NaN.",
        "Give the last layer as many units as there are classes.",
        "losses",
    ),
    "labels_start_at_one": (
        "The labels run from 1 to the number of outputs.",
        "Keras counts classes from 0: the last class has no output.",
        "Subtract 1 from the labels.",
        "losses",
    ),
    "labels_out_of_range": (
        "The targets of a binary cross-entropy leave [0, 1].",
        "The loss then has no lower bound; often the labels are −1 and 1.",
        "Map the labels to 0 and 1.",
        "losses",
    ),
    "targets_not_probabilities": (
        "A row's targets do not add up to 1, as a softmax's outputs do.",
        "Several labels a row, or none, or numbers other than 0 and 1: the loss then "
        "has another lowest value, and starts far from ln K.",
        "For several labels use sigmoids and `binary_crossentropy`; else one-hot rows.",
        "losses",
    ),
    "softmax_of_one": (
        "A softmax over one output is always 1.",
        "A softmax divides by the sum of its outputs, here by itself.",
        "Use a sigmoid and `binary_crossentropy`, or one unit a class.",
        "activations",
    ),
    "softmax_twice": (
        "The scores are squashed twice.",
        "A softmax or sigmoid stands in the network and again in a layer or loss.",
        "Keep one: drop the activation, or set `from_logits=False`.",
        "losses",
    ),
    "logits_as_probabilities": (
        "The loss takes raw scores for probabilities.",
        "The last layer has no softmax or sigmoid, and the loss applies none.",
        "Set `from_logits=True` in the loss.",
        "losses",
    ),
    "wrong_loss": (
        "The loss does not fit the outputs.",
        "Softmax goes with categorical, sigmoid with binary cross-entropy; squared "
        "errors on either lose their gradient where the network is surely wrong.",
        "Take the cross-entropy of the output's activation.",
        "losses",
    ),
    "relu_output": (
        "The last layer cuts off negative values with a ReLU.",
        "Scores and targets below 0 cannot be reached, and have no gradient.",
        "Let the last layer be linear.",
        "activations",
    ),
    "targets_out_of_range": (
        "The targets lie outside the range of the last activation.",
        "A sigmoid reaches (0, 1), a tanh (−1, 1), and nothing else.",
        "Let the last layer be linear, or scale the targets.",
        "activations",
    ),
    # layers
    "linear_network": (
        "Two layers follow each other without an activation between.",
        "Their product is one linear layer: the depth is not there.",
        "Give the first of them an activation.",
        "activations",
    ),
    "dropout_too_high": (
        "A dropout layer drops four units in five, or more.",
        "What is left is too noisy to learn from; often the share to keep was given.",
        "Keras' `rate` is the share to drop: begin with 0.2, at most 0.5.",
        "dropout",
    ),
    "nothing_trains": (
        "No weight of the network trains.",
        "Every layer is frozen.",
        "Unfreeze the layers that shall learn, then compile with a new optimizer.",
        "transfer",
    ),
    "frozen_layer": (
        "A layer is frozen as it was drawn.",
        "It is not trainable, and its biases are still those of its initializer.",
        "Load its trained weights, or unfreeze it and compile again.",
        "transfer",
    ),
    "unfrozen_without_compile": (
        "The optimizer does not hold the weights that are trainable.",
        "`trainable` was changed after the training step was made.",
        "Compile again, with a new optimizer.",
        "transfer",
    ),
    "bn_training_mode": (
        "At inference the answer for a row depends on the rows beside it.",
        "Batch normalization is called with `training=True`.",
        "Call the layer without `training`, so that Keras decides.",
        "normalization",
    ),
    "bn_not_updated": (
        "Batch normalization does not use the statistics of these data.",
        "Its moving averages were not updated in training: a loop without "
        "`training=True`, a layer frozen fresh, or other data.",
        "Train with `training=True`, or renew the averages on the training data.",
        "normalization",
    ),
    "bn_momentum": (
        "The moving averages of batch normalization cannot reach the data in time.",
        "After all the steps, `momentum` leaves most of their initial value.",
        "Lower `momentum`, to 0.9 or so, or train longer.",
        "normalization",
    ),
    "schedule_never_acts": (
        "The learning rate stays the same through the whole training.",
        "The schedule counts steps, not epochs, or its length is not this training's.",
        "Set its steps from epochs × batches an epoch.",
        "schedules",
    ),
    # weights and signals
    "constant_initializer": (
        "All units of a hidden layer have the same weights.",
        "They begin as one unit; equal weights above, or a ReLU at 0, keep them so.",
        "Draw the kernel at random; keep zeros for biases.",
        "initializers",
    ),
    "init_too_large": (
        "A fresh kernel multiplies the signal by far too much.",
        "√(fan_in · mean W²) should be near 1, and √2 under ReLU.",
        "Use Glorot, He or LeCun initialization, by the activation.",
        "initializers",
    ),
    "init_too_small": (
        "A fresh kernel nearly wipes the signal out.",
        "√(fan_in · mean W²) should be near 1, and √2 under ReLU.",
        "Use Glorot, He or LeCun initialization, by the activation.",
        "initializers",
    ),
    "penalty_dominates": (
        "The penalty on the weights is many times the loss on the data.",
        "The network first learns to be zero.",
        "Divide the strength of the regularizer by ten, and again.",
        "regularizers",
    ),
    "dead_relus": (
        "Half of a layer's units or more give no slope on any row.",
        "A large step, or a negative bias, pushed them below 0, and no gradient "
        "brings them back.",
        "Draw the weights again, lower the rate, or use a leaky ReLU.",
        "activations",
    ),
    "vanishing_gradient": (
        "The gradient does not reach the first layer.",
        "Each layer makes it smaller; logistic units by 4 or more.",
        "Use ReLU with He or SELU with LeCun initialization, or normalization.",
        "diagnostics",
    ),
    "exploding_gradient": (
        "The gradient is so large that a step leaves the region.",
        "It grows from layer to layer, or from time step to time step.",
        "Clip by global norm; draw recurrent kernels orthogonal, or use a GRU.",
        "clipping",
    ),
    # training
    "rate_too_high": (
        "A few steps at this rate make the loss worse; at a smaller one, better.",
        "The steps leap across the valley of the loss.",
        "Divide the rate by ten, or search for it.",
        "schedules",
    ),
    "rate_too_low": (
        "The loss stands still at this rate, and falls at a far larger one.",
        "The steps are too short to arrive.",
        "Multiply the rate by the factor shown, or search for it.",
        "schedules",
    ),
    "majority_prediction": (
        "The network gives the most frequent class to every row.",
        "The classes are so unequal that this alone gives a small loss.",
        "Weigh the classes, and measure each by itself instead of the accuracy.",
        "losses",
    ),
    "no_progress": (
        "The loss falls at no rate that was tried.",
        "None of the usual faults; the network or the data may not suit the task.",
        "Try to overfit 50 rows with a smaller network, then build up from there.",
        "diagnostics",
    ),
    # seen by the callback
    "diverged": (
        "The loss is no longer finite.",
        "The rate is too high, the gradient exploded, or the data hold NaN.",
        "Lower the rate, clip the gradient, look at the data.",
        "clipping",
    ),
    "overfitting": (
        "The validation loss rises while the training loss falls.",
        "The network learns the training rows by heart.",
        "Stop early, regularize, or augment the data.",
        "regularizers",
    ),
}
