"""The flags of `train` under headings, for `--help-all`."""

from __future__ import annotations

from neocog.cli.help_all import Verb

NAMES = {
    "Data": "columns classes consensus split fold val_fraction quarantine strict",
    "Model and its input": "model weights download img_size resize_mode decoding",
    "Recipe": "recipe epochs batch_size accumulate config time seed seeds",
    "Optimizer": "optimizer lr momentum betas eps clip weight_decay decay_all norm_weight_decay "
    "layer_decay head_lr l2sp",
    "Schedule of the learning rate": "schedule warmup warmup_epochs min_lr decay_milestones factors decay_rate "
    "decay_epochs find_lr",
    "Loss and classes": "loss bce_loss smoothing class_weights balanced aux_weight",
    "Augmentation": "augment auto scale flip hflip vflip shift colour_jitter erasing mixup cutmix repeats sizes",
    "Fine-tuning": "head_start keep_probe head_epochs unfreeze lora lora_alpha lora_layers",
    "Regularisation and what stays as it is": "dropout drop_path freeze freeze_bn freeze_bn_stats whiten",
    "Weights that are taken in the end": "best_by patience average model_ema average_decay average_from precise_bn "
    "flip_test",
    "Teacher": "teacher unlabelled confidence per_class",
    "Machine (several processes: torchrun)": "device precision workers compile recompute engine",
    "Checkpoints": "resume save_every keep snapshots time_limit prove_resume",
    "Output": "output as_json print_config tensorboard help_all help",
}
PANELS = {heading: tuple(names.split()) for heading, names in NAMES.items()}
"""heading -> arguments of `train`"""


class Train(Verb):
    """The verb, whose many flags are shown under headings."""

    panels = PANELS
