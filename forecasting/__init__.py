"""What is believed: features, the BiRNN, training, walk-forward scoring, losses and calibration."""
