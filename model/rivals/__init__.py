"""Published models that SeqRec is compared with, one file each, behind the protocol `RatingModel`."""
