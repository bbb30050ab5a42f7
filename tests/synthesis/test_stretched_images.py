"""Images whose answers are stretched: surer of the same class, in range, one of eight."""

from __future__ import annotations

from torch import Tensor

from calib.samplers import NoiseSampler
from calib.teacher import Teacher
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.recipe import Data, Generator, Recipe
from gdfq_export.support.progress import SilentProgress
from gdfq_export.synthesis.stretched_images import StretchedSampler, stretched
from tests.jobs.compare import compared


def _teacher(model: FloatModel) -> Teacher:
    return Teacher(network=model.teacher, input_spec=model.input_spec, aim=model.task.aim)


def _noise(model: FloatModel, count: int) -> Tensor:
    return NoiseSampler(model.input_spec, 10).draw(count, count)[0]


def test_scores_of_the_same_classes_rise() -> None:
    model = load_model(None)
    images = _noise(model, 16)
    made = stretched(images, _teacher(model))
    before, after = model.teacher(images), model.teacher(made)
    answers = before.argmax(dim=1, keepdim=True)
    assert (after.gather(1, answers) > before.gather(1, answers)).all()
    spec = model.input_spec
    assert (made >= spec.plane(spec.low)).all() and (made <= spec.plane(spec.high)).all()


def test_one_image_of_eight_changes() -> None:
    model = compared.network(batch_norm=False)
    images = _noise(model, 20)
    sampler = StretchedSampler(NoiseSampler(model.input_spec, 10), _teacher(model))
    changed = (sampler.draw(20, 20)[0] != images).flatten(1).any(dim=1)
    assert changed.nonzero().flatten().tolist() == [0, 8, 16]
    assert sampler.source == "noise+stretching"


def test_only_a_network_without_batch_norm_has_them() -> None:
    data = Data(method="gdfq", generator=Generator(steps=1, batch=4))
    recipe = Recipe(name="test", data=data)
    names = [
        ImageSource(compared.network(batch_norm=kept), recipe, progress=SilentProgress()).name for kept in (True, False)
    ]
    assert names == ["gdfq", "gdfq+stretching"]
