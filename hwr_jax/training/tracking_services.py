"""Trackers of services that others run or make: Weights & Biases, MLflow and Trackio, each an extra to install.

Where they write to, and as whom, their own settings say: `WANDB_MODE=offline`, `MLFLOW_TRACKING_URI`,
`TRACKIO_SPACE_ID` and the like. Each imports its package when it is opened.
"""

import os
import time
from collections.abc import Mapping

from PIL import Image

from hwr_jax.training.tracker import Pictures, TrackedRun

PROJECT = "hwr_jax"  # where the service's own setting names none
_ID_TAG = "hwr_jax.id"
_PARAMETERS_A_CALL = 100  # the most that MLflow's servers take


class WandbTracker:
    """A run of Weights & Biases, in the project of `WANDB_PROJECT`; its files lie in the folder wandb of the run."""

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        self._wandb = wandb
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=run.id,
            name=run.name,
            dir=str(run.workdir),
            config=dict(run.config),
            resume="allow",
            reinit="create_new",
            # Standard error is the progress line's.
            settings=wandb.Settings(console="off", silent=True),
        )

    def write_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """As metrics at a step."""
        self._run.log(dict(values), step=step)

    def write_pictures(self, step: int, pictures: Pictures) -> None:
        """As images at a step."""
        self._run.log({name: self._wandb.Image(picture) for name, picture in pictures.items()}, step=step)

    def close(self) -> None:
        """Uploads what is waiting; a later start goes on in the same run."""
        self._run.finish()


class MlflowTracker:
    """A run of MLflow, in the experiment of `MLFLOW_EXPERIMENT_NAME`, found again by a tag with the run's id."""

    def __init__(self, run: TrackedRun) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._client, self._metric = MlflowClient(), Metric
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(name)
        if found := self._client.search_runs([experiment_id], f"tags.`{_ID_TAG}` = '{run.id}'"):
            self._run_id = found[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
            return
        self._run_id = self._client.create_run(experiment_id, run_name=run.name, tags={_ID_TAG: run.id}).info.run_id
        parameters = [Param(name, str(value)) for name, value in run.config.items()]
        for start in range(0, len(parameters), _PARAMETERS_A_CALL):
            self._client.log_batch(self._run_id, params=parameters[start : start + _PARAMETERS_A_CALL])

    def write_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """As metrics at a step."""
        now_ms = int(1000 * time.time())
        metrics = [self._metric(name, value, now_ms, step) for name, value in values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def write_pictures(self, step: int, pictures: Pictures) -> None:
        """As artifacts, such as validation/readings/00000100.png."""
        for name, picture in pictures.items():
            self._client.log_image(self._run_id, Image.fromarray(picture), artifact_file=f"{name}/{step:08d}.png")

    def close(self) -> None:
        """Marks the run as finished; a later start marks it as running again."""
        self._client.set_terminated(self._run_id)


class TrackioTracker:
    """A run of Trackio, in the project of `TRACKIO_PROJECT`; its name has the run's id, since Trackio goes by names."""

    def __init__(self, run: TrackedRun) -> None:
        import trackio

        self._trackio = trackio
        self._run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=f"{run.name}-{run.id[:8]}",
            config=dict(run.config),
            resume="allow",
            embed=False,
        )

    def write_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """As metrics at a step."""
        self._run.log(dict(values), step=step)

    def write_pictures(self, step: int, pictures: Pictures) -> None:
        """As images at a step."""
        self._run.log({name: self._trackio.Image(picture) for name, picture in pictures.items()}, step=step)

    def close(self) -> None:
        """Writes what is waiting."""
        self._run.finish()
