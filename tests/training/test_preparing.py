from __future__ import annotations

import pytest
import torch

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.distributed import Place, Ranks
from cytosae_toolkit.errors import CytosaeError, PluginError
from cytosae_toolkit.training import plan as planning
from cytosae_toolkit.training import train
from cytosae_toolkit.training.preparing import prepare

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": "/nowhere"}, "/nowhere does not exist"),
        ({"batch_images": 23, "batch_tokens": None}, "batch of 23 images is more than the 22 training images"),
        ({"batch_tokens": 111}, "batch of 111 tokens is more than the 110 tokens"),
        ({"backbone": "dinobloom-bb"}, r"no backbone 'dinobloom-bb'. Did you mean dinobloom-b"),
        ({"sae": "relu-l2"}, r"no SAE variant 'relu-l2'. Did you mean relu-l1"),
        ({"backbone_options": {"modle": "x"}}, r"no option 'modle'. Did you mean model"),
        ({"sae_options": {"ghost_grad": 1}}, r"no option 'ghost_grad'. Did you mean ghost_grads"),
        ({"sae_options": {"l1_coefficient": -1}}, "l1_coefficient=-1"),
        ({"layer": 6}, r"Layer 6 does not exist.*Choose 0 to 5"),
        ({"sae": "topk", "sae_options": {"k": 999}}, "k = 999 of 128"),
        ({"device": "cud"}, "no device 'cud'"),
        ({"precision": "float8"}, "precision 'float8' is unknown"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input_is_a_sentence(tiny_config, tmp_path, change, message):
    with pytest.raises(CytosaeError, match=message):
        train(tiny_config(**change))
    assert not (tmp_path / "run").exists()


def test_a_folder_without_images_is_refused(tiny_config, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CytosaeError, match="empty"):
        train(tiny_config(images=str(tmp_path / "empty")))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_where_there_is_none_is_refused(tiny_config):
    with pytest.raises(CytosaeError, match="no CUDA GPU"):
        train(tiny_config(device="cuda"))


def test_too_little_memory_or_disk_is_refused_before_anything_is_written(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "memory_available", lambda device: 1000)
    with pytest.raises(CytosaeError, match="of memory"):
        train(tiny_config())
    monkeypatch.setattr(planning, "memory_available", lambda device: 10**12)
    monkeypatch.setattr(planning, "disk_available", lambda path: 1000)
    with pytest.raises(CytosaeError, match="of disk"):
        train(tiny_config())
    assert not (tmp_path / "run").exists()
    assert not cache_folder().joinpath("tokens").exists()


def test_preparing_writes_nothing(tiny_config, tmp_path):
    plan = prepare(tiny_config()).plan
    assert (plan.n_images, plan.n_train, plan.n_held_out, plan.images_to_read) == (24, 22, 2, 24)
    assert plan.memory_bytes > 0
    assert plan.disk_bytes > 24 * 5 * 64 * 2
    assert not list(tmp_path.iterdir())
    assert not cache_folder().exists() or not list(cache_folder().iterdir())


def test_offline_without_weights_says_how_to_get_them(tiny_config):
    with pytest.raises(CytosaeError, match="weights"):
        train(tiny_config(backbone="dinobloom-s", backbone_options={}, offline=True))


def test_a_backbone_that_breaks_its_contract_is_blamed(tiny_config, monkeypatch):
    monkeypatch.setattr("cytosae_timm.backbone.build", lambda *a, **k: object())
    with pytest.raises(PluginError, match="backbone 'timm'"):
        train(tiny_config())


def test_a_store_of_other_tokens_is_refused_before_anything_is_said_to_be_possible(tiny_config, tmp_path):
    train(tiny_config(steps=1, tokens=tmp_path / "tokens"))
    with pytest.raises(CytosaeError, match=r"token store .* holds .* layer"):
        prepare(tiny_config(tokens=tmp_path / "tokens", layer=0))


@pytest.mark.usefixtures("no_trials")
def test_the_plan_knows_the_processes_of_its_machine(tiny_config):
    class Quarter(Ranks):
        def broadcast_object(self, value):
            return value

    alone = prepare(tiny_config()).plan
    found = prepare(tiny_config(), ranks=Quarter(Place(0, 4, 0, 2), "cpu")).plan
    assert (alone.processes, alone.devices, found.processes, found.devices) == (1, 1, 2, 1)
    assert found.device_bytes == 2 * found.memory_bytes
    assert found.memory_bytes < alone.memory_bytes < found.device_bytes
