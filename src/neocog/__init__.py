"""neocog trains, explains and serves image classifiers. Names are loaded when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neocog import see as see
    from neocog.analysis.receptive_field import receptive_fields as receptive_fields
    from neocog.analysis.table import summarize as summarize
    from neocog.analysis.trace import trace as trace
    from neocog.api.adapting.adapt import adapt as adapt
    from neocog.api.adapting.result import Adaptation as Adaptation
    from neocog.api.bench import bench as bench
    from neocog.api.classifier import Classifier as Classifier
    from neocog.api.classifier import load as load
    from neocog.api.data.check import DataCheck as DataCheck
    from neocog.api.data.check import check_data as check_data
    from neocog.api.data.show import show_data as show_data
    from neocog.api.data.split import split_data as split_data
    from neocog.api.data.stats import data_stats as data_stats
    from neocog.api.doctor import doctor as doctor
    from neocog.api.embedding.embed import Embedding as Embedding
    from neocog.api.embedding.embed import embed as embed
    from neocog.api.embedding.files import read_features as read_features
    from neocog.api.estimators import ImageClassifier as ImageClassifier
    from neocog.api.estimators import ImageEmbedder as ImageEmbedder
    from neocog.api.evaluating.calibrate import calibrate as calibrate
    from neocog.api.evaluating.compare import compare as compare
    from neocog.api.evaluating.comparison import Comparison as Comparison
    from neocog.api.evaluating.evaluate import evaluate as evaluate
    from neocog.api.evaluating.robustness import RobustnessReport as RobustnessReport
    from neocog.api.evaluating.robustness import robustness as robustness
    from neocog.api.listing import create_model as create_model
    from neocog.api.listing import is_model as is_model
    from neocog.api.listing import list_models as list_models
    from neocog.api.listing import model_card as model_card
    from neocog.api.listing import models_table as models_table
    from neocog.api.predict import predict as predict
    from neocog.api.probing.probe import probe as probe
    from neocog.api.probing.result import Probe as Probe
    from neocog.api.reproduce import Reproduction as Reproduction
    from neocog.api.reproduce import reproduce as reproduce
    from neocog.api.retrieval.found import Retrieval as Retrieval
    from neocog.api.retrieval.retrieve import retrieve as retrieve
    from neocog.api.summary import ModelSummary as ModelSummary
    from neocog.api.summary import summary as summary
    from neocog.api.training.seeds import SeedRuns as SeedRuns
    from neocog.api.training.seeds import train_seeds as train_seeds
    from neocog.api.training.train import Run as Run
    from neocog.api.training.train import train as train
    from neocog.api.training.train import train_config as train_config
    from neocog.api.verify import verify as verify
    from neocog.data.dataset import Dataset as Dataset
    from neocog.data.preprocess import Preprocess as Preprocess
    from neocog.data.reading import Reading as Reading
    from neocog.data.source import open_dataset as open_dataset
    from neocog.errors import UserError as UserError
    from neocog.models.features import create_feature_extractor as create_feature_extractor
    from neocog.weights.load import load_weights as load_weights
    from neocog.weights.report import LoadReport as LoadReport

_PLACES = {
    "Adaptation": "api.adapting.result",
    "adapt": "api.adapting.adapt",
    "bench": "api.bench",
    "Classifier": "api.classifier",
    "load": "api.classifier",
    "DataCheck": "api.data.check",
    "check_data": "api.data.check",
    "split_data": "api.data.split",
    "show_data": "api.data.show",
    "data_stats": "api.data.stats",
    "doctor": "api.doctor",
    "Embedding": "api.embedding.embed",
    "embed": "api.embedding.embed",
    "read_features": "api.embedding.files",
    "ImageClassifier": "api.estimators",
    "ImageEmbedder": "api.estimators",
    "create_model": "api.listing",
    "is_model": "api.listing",
    "list_models": "api.listing",
    "model_card": "api.listing",
    "models_table": "api.listing",
    "Retrieval": "api.retrieval.found",
    "retrieve": "api.retrieval.retrieve",
    "SeedRuns": "api.training.seeds",
    "train_seeds": "api.training.seeds",
    "ModelSummary": "api.summary",
    "summary": "api.summary",
    "receptive_fields": "analysis.receptive_field",
    "summarize": "analysis.table",
    "trace": "analysis.trace",
    "probe": "api.probing.probe",
    "Probe": "api.probing.result",
    "Reproduction": "api.reproduce",
    "reproduce": "api.reproduce",
    "Run": "api.training.train",
    "train": "api.training.train",
    "train_config": "api.training.train",
    "calibrate": "api.evaluating.calibrate",
    "compare": "api.evaluating.compare",
    "Comparison": "api.evaluating.comparison",
    "robustness": "api.evaluating.robustness",
    "RobustnessReport": "api.evaluating.robustness",
    "evaluate": "api.evaluating.evaluate",
    "predict": "api.predict",
    "verify": "api.verify",
    "Dataset": "data.dataset",
    "Preprocess": "data.preprocess",
    "Reading": "data.reading",
    "open_dataset": "data.source",
    "UserError": "errors",
    "create_feature_extractor": "models.features",
    "LoadReport": "weights.report",
    "load_weights": "weights.load",
}

_MODULES = ("see",)
"""modules whose functions are meant"""

__all__ = sorted([*_PLACES, *_MODULES])  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"neocog.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module 'neocog' has no attribute {name!r}")
    value: object = getattr(import_module(f"neocog.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_PLACES, *_MODULES]
