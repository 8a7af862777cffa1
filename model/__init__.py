"""SeqRec offline: data, network, training, evaluation, artifact and scorer."""
