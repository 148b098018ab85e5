"""The public names: read by type checkers, and by `__init__.py`, which loads each one when it is first used."""

from automl_vision.data.annotations import Columns as Columns
from automl_vision.data.dataset import Dataset as Dataset
from automl_vision.deployment.batch import score as score
from automl_vision.deployment.online.deploying import deploy as deploy
from automl_vision.experiment.config import AutoMLVisionConfig as AutoMLVisionConfig
from automl_vision.experiment.experiment import Experiment as Experiment
from automl_vision.experiment.model_comparison import compare_models as compare_models
from automl_vision.experiment.model_evaluation import evaluate as evaluate
from automl_vision.experiment.model_export import export as export
from automl_vision.experiment.operating import set_operating_point as set_operating_point
from automl_vision.experiment.promotion import PromotionRule as PromotionRule
from automl_vision.experiment.promotion import promote as promote
from automl_vision.experiment.registration import register as register
from automl_vision.experiment.reports.contents import report_comparison as report_comparison
from automl_vision.experiment.reports.contents import report_evaluation as report_evaluation
from automl_vision.experiment.reports.contents import report_run as report_run
from automl_vision.experiment.run import Run as Run
from automl_vision.experiment.trial import Trial as Trial
from automl_vision.experiment.what_if import what_if as what_if
from automl_vision.formats.export import export_dataset as export_dataset
from automl_vision.models.networks import load_torch as load_torch
from automl_vision.recipes.catalog import list_models as list_models
from automl_vision.search.distributions import choice as choice
from automl_vision.search.distributions import lognormal as lognormal
from automl_vision.search.distributions import loguniform as loguniform
from automl_vision.search.distributions import normal as normal
from automl_vision.search.distributions import qlognormal as qlognormal
from automl_vision.search.distributions import qloguniform as qloguniform
from automl_vision.search.distributions import qnormal as qnormal
from automl_vision.search.distributions import quniform as quniform
from automl_vision.search.distributions import randint as randint
from automl_vision.search.distributions import uniform as uniform
from automl_vision.search.policies import BanditPolicy as BanditPolicy
from automl_vision.search.policies import MedianStoppingPolicy as MedianStoppingPolicy
from automl_vision.search.policies import NoTerminationPolicy as NoTerminationPolicy
from automl_vision.search.policies import SuccessiveHalvingPolicy as SuccessiveHalvingPolicy
from automl_vision.search.policies import TruncationSelectionPolicy as TruncationSelectionPolicy
from automl_vision.search.samplers import BayesianParameterSampling as BayesianParameterSampling
from automl_vision.search.samplers import GridParameterSampling as GridParameterSampling
from automl_vision.search.samplers import RandomParameterSampling as RandomParameterSampling
from automl_vision.serving.explainer import explain as explain
from automl_vision.serving.frame import predictions_to_pandas as predictions_to_pandas
from automl_vision.serving.predictor import Predictor as Predictor
from automl_vision.workspace.workspace import Workspace as Workspace

__version__: str
