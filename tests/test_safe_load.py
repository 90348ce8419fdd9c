"""Reading foreign weights: nothing is executed. Hostile pickles are spelled out opcode by opcode."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.safe_load import (
    MAX_PICKLE_BYTES,
    fill_model,
    load_torch_checkpoint,
    load_weights,
    load_with_inert_classes,
)

HEAD = b"\x80\x02"
STATE = b"X\x0a\x00\x00\x00state_dict}X\x01\x00\x00\x00aK\x01s"


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def archive(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a file of torch's format around a hand-made pickle."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", b"3\n")
        file.writestr("archive/byteorder", b"little")
    return path


def with_cfg(cfg: bytes) -> bytes:
    """``{"cfg": <cfg>, "state_dict": {"a": 1}}``."""
    return HEAD + b"}(" + text("cfg") + cfg + STATE + b"u."


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A file that exists only if something was executed."""
    return tmp_path / "executed"


def hostile(trap: Path, module: str, name: str) -> bytes:
    """A call of ``module.name`` with a shell command that would create the trap."""
    return f"c{module}\n{name}\n".encode() + text(f"touch {trap}") + b"\x85R"


CALLS = [
    ("posix", "system"),
    ("os", "system"),
    ("subprocess", "Popen"),
    ("builtins", "exec"),
    ("torch.hub", "load"),
]


@pytest.mark.parametrize(("module", "name"), CALLS)
def test_a_hostile_checkpoint_names_what_it_wanted(tmp_path: Path, trap: Path, module: str, name: str) -> None:
    path = archive(tmp_path / "bad.pth", HEAD + hostile(trap, module, name) + b".")
    with pytest.raises(CytosaeError, match=rf"asks for .*{name}.*, which is not data; nothing in it was executed"):
        load_torch_checkpoint(path)
    with pytest.raises(CytosaeError, match="nothing in it was executed"):
        load_weights(path)
    assert not trap.exists()


def test_a_hostile_bare_pickle_is_refused(tmp_path: Path, trap: Path) -> None:
    path = tmp_path / "bad.bin"
    path.write_bytes(HEAD + hostile(trap, "posix", "system") + b".")
    with pytest.raises(CytosaeError):
        load_torch_checkpoint(path)
    assert not trap.exists()


@pytest.mark.parametrize(("module", "name"), CALLS)
def test_stand_ins_are_never_called(tmp_path: Path, trap: Path, module: str, name: str) -> None:
    path = archive(tmp_path / "bad.pt", with_cfg(hostile(trap, module, name)))
    with pytest.raises(CytosaeError, match=rf"asks for .*{name}.*nothing in it was executed"):
        load_with_inert_classes(path)
    assert not trap.exists()


def test_stand_ins_take_no_arguments_and_only_attributes(tmp_path: Path) -> None:
    new_with_arguments = b"csome.where\nConfig\n" + text("x") + b"\x85\x81"
    odd_state = b"csome.where\nConfig\n)\x81]b"
    odd_names = b"csome.where\nConfig\n)\x81}K\x01K\x02sb"
    for cfg in (new_with_arguments, odd_state, odd_names):
        with pytest.raises(CytosaeError):
            load_with_inert_classes(archive(tmp_path / "odd.pt", with_cfg(cfg)))


def test_a_stand_in_is_never_the_real_class(tmp_path: Path, trap: Path) -> None:
    """Even the name of an importable class gives attributes only: its own code does not run."""
    cfg = b"csubprocess\nPopen\n)\x81}" + text("args") + text(f"touch {trap}") + b"sb"
    weights = {"a": torch.ones(2)}
    torch.save({"state_dict": weights, "cfg": 0}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good:
        pickled = good.read("good/data.pkl")
        changed = pickled.replace(b"K\x00u.", cfg + b"u.")
        names = [name for name in good.namelist() if not name.endswith("data.pkl")]
        with zipfile.ZipFile(tmp_path / "changed.pt", "w") as file:
            file.writestr("good/data.pkl", changed)
            for name in names:
                file.writestr(name, good.read(name))
    assert changed != pickled
    state, config = load_with_inert_classes(tmp_path / "changed.pt")
    assert config == {"args": f"touch {trap}"}
    assert torch.equal(state["a"], weights["a"])
    assert not trap.exists()


def test_allow_list_is_left_as_it_was(shared_data: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    load_with_inert_classes(shared_data / "parity" / "cytosae_checkpoint.pt")
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(CytosaeError, match=r"ViTSAERunnerConfig, which is not data"):
        load_torch_checkpoint(shared_data / "parity" / "cytosae_checkpoint.pt")


def test_a_published_checkpoint_reads_as_data(shared_data: Path) -> None:
    state, config = load_with_inert_classes(shared_data / "parity" / "cytosae_checkpoint.pt")
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        "W_enc": (384, 1536),
        "b_enc": (1536,),
        "W_dec": (1536, 384),
        "b_dec": (384,),
    }
    assert config["block_layer"] == -2
    assert config["model_name"] == "dinov2_vits14"
    assert config["l1_coefficient"] == 8e-5
    assert config["use_ghost_grads"] is True
    assert config["device"] == "cpu"
    assert config["dtype"] == "float32"


def test_a_checkpoint_without_config_is_no_published_one(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "a.pt")
    with pytest.raises(CytosaeError, match="needs `cfg` and `state_dict`"):
        load_with_inert_classes(tmp_path / "a.pt")


def test_a_configuration_that_holds_itself_is_refused(tmp_path: Path) -> None:
    cyclic = b"csome.where\nConfig\n)\x81q\x05}" + text("me") + b"h\x05sb"
    with pytest.raises(CytosaeError, match="nested too deeply"):
        load_with_inert_classes(archive(tmp_path / "cyclic.pt", with_cfg(cyclic)))


WEIGHTS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"state_dict": w}, lambda w: {"model": w, "epoch": 3}])
@pytest.mark.parametrize("legacy", [False, True])
def test_torch_weights_in_and_out_of_wrappers(tmp_path: Path, wrap, legacy: bool) -> None:
    torch.save(wrap(WEIGHTS), tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    loaded = load_weights(tmp_path / "w.pth")
    assert loaded.keys() == WEIGHTS.keys()
    assert all(torch.equal(loaded[name], WEIGHTS[name]) for name in WEIGHTS)


def test_safetensors_whatever_the_suffix(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "w.bin")
    assert torch.equal(load_weights(tmp_path / "w.bin")["weight"], WEIGHTS["weight"])


def test_absent_empty_and_foreign_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(CytosaeError, match="do not exist"):
        load_weights(tmp_path / "absent.pth")
    with pytest.raises(CytosaeError, match="cannot be read"):
        load_weights(tmp_path)
    for content, message in ((b"", "is empty"), (b"hello world, no weights", "no file of weights")):
        (tmp_path / "x.pth").write_bytes(content)
        with pytest.raises(CytosaeError, match=message):
            load_weights(tmp_path / "x.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "legacy.pth"])
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.9, 0.999])
def test_truncated_files_are_sentences(tmp_path: Path, name: str, keep: float) -> None:
    weights = {"weight": torch.randn(40, 40)}
    if name.endswith("safetensors"):
        save_file(weights, tmp_path / name)
    else:
        torch.save(weights, tmp_path / name, _use_new_zipfile_serialization=name == "w.pth")
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(CytosaeError, match=r"truncated|no file of weights"):
        load_weights(tmp_path / name)


def test_archives_that_torch_does_not_write_are_refused(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.pth", HEAD + b"}." + b"\0" * 10_000_000, zipfile.ZIP_DEFLATED)
    with pytest.raises(CytosaeError, match="compressed archive"):
        load_weights(bomb)
    large = archive(tmp_path / "large.pth", HEAD + b"}." + b"\0" * MAX_PICKLE_BYTES)
    with pytest.raises(CytosaeError, match="absurdly large header"):
        load_weights(large)


def test_old_tar_checkpoints_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "old.pth", "w", format=tarfile.GNU_FORMAT) as file:
        info = tarfile.TarInfo("\udc80pickle")
        info.size = 4
        file.addfile(info, io.BytesIO(b"data"))
    assert (tmp_path / "old.pth").read_bytes().startswith(b"\x80")
    with pytest.raises(CytosaeError, match="no file of weights"):
        load_weights(tmp_path / "old.pth")


def test_tensors_larger_than_the_file_are_refused(tmp_path: Path) -> None:
    torch.save({"huge": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "huge.pth")
    with pytest.raises(CytosaeError, match="larger than the file"):
        load_weights(tmp_path / "huge.pth")


@pytest.mark.parametrize(
    "content",
    [
        {"a": 3},
        {"a": torch.ones(2).to_sparse()},
        {"a": torch.empty(2, device="meta")},
        {},
        {"a": [torch.ones(1)]},
    ],
)
def test_anything_but_dense_tensors_is_refused(tmp_path: Path, content: dict) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(CytosaeError, match=r"dense tensors|no named tensors"):
        load_weights(tmp_path / "odd.pth")


def test_a_list_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save([torch.ones(2)], tmp_path / "list.pth")
    with pytest.raises(CytosaeError, match="holds a list, not named tensors"):
        load_weights(tmp_path / "list.pth")


def test_filling_copies_and_converts() -> None:
    model = nn.Linear(3, 2)
    fill_model(model, {name: tensor.half() for name, tensor in WEIGHTS.items()}, "w.pth")
    assert model.weight.dtype == torch.float32
    assert torch.equal(model.weight, WEIGHTS["weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias": None}, "'bias' is missing"),
        ({"weight": torch.ones(3, 2)}, r"'weight' is \[3, 2\], but \[2, 3\] is needed"),
        ({"extra": torch.ones(1)}, "holds 'extra', which the network does not have"),
        ({"bias": torch.tensor([1.0, float("nan")])}, "NaN or infinite values in 'bias'"),
    ],
)
def test_weights_that_do_not_fit_name_the_first_tensor(changes: dict, message: str) -> None:
    weights = {name: tensor for name, tensor in {**WEIGHTS, **changes}.items() if tensor is not None}
    with pytest.raises(CytosaeError, match=message):
        fill_model(nn.Linear(3, 2), weights, "w.pth")


def test_what_may_be_left_over_is_ignored() -> None:
    fill_model(nn.Linear(3, 2), {**WEIGHTS, "head.weight": torch.ones(5)}, "w.pth", ignore=["head."])
