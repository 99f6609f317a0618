"""A checkpoint is whole or not there; a damaged one gives way to the one before it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from ftworker.training import checkpoints as module
from ftworker.training.checkpoints import Checkpoint, Checkpoints, Standing
from ftworker.training.results import LossPoint


def checkpoint(step: int, *, best: bool = False) -> Checkpoint:
    standing = Standing(step=step, trained_tokens=step * 10, curve=[LossPoint(step, 0.5, train_loss=1 / 3)])
    tensors = {"a.lora_A.weight": torch.full((2, 3), 1 / (step + 3))}
    return Checkpoint(standing, tensors, {"0.step": torch.tensor(float(step))}, tensors if best else None)


def step_of(found: Checkpoint | None) -> int | None:
    return found.standing.step if found else None


def test_what_is_saved_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    saved = checkpoint(7, best=True)
    Checkpoints(tmp_path / "checkpoints", "order").save(saved)
    found = Checkpoints(tmp_path / "checkpoints", "order").newest()
    assert found is not None
    assert found.standing == saved.standing
    assert found.best is not None
    for one, other in (
        (found.lora, saved.lora),
        (found.optimizer, saved.optimizer),
        (found.best, saved.lora),
    ):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "order")
    for step in (1, 5, 30, 200):
        kept.save(checkpoint(step))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["step-00000030", "step-00000200"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing", "no state", "half a state"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, damage: str) -> None:
    kept = Checkpoints(tmp_path, "order")
    kept.save(checkpoint(1))
    newest = kept.save(checkpoint(2))
    weights, state = newest / "lora.safetensors", newest / "state.json"
    match damage:
        case "cut":
            weights.write_bytes(weights.read_bytes()[:-4])
        case "flipped":
            content = bytearray(weights.read_bytes())
            content[-1] ^= 1
            weights.write_bytes(content)
        case "missing":
            weights.unlink()
        case "no state":
            state.unlink()
        case _:
            state.write_bytes(state.read_bytes()[:40])
    assert step_of(kept.newest()) == 1


@pytest.mark.parametrize("at", ["first file", "state", "rename"])
def test_a_crash_while_writing_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    kept = Checkpoints(tmp_path, "order")
    kept.save(checkpoint(1))

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        match at:
            case "first file":
                patched.setattr(module, "save_file", crash)
            case "state":
                patched.setattr(msgspec.json, "encode", crash)
            case _:
                patched.setattr(Path, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            kept.save(checkpoint(2))
    assert step_of(kept.newest()) == 1
    kept.save(checkpoint(3))
    assert step_of(kept.newest()) == 3
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["step-00000001", "step-00000003"]


def test_a_checkpoint_of_another_order_is_passed_over(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "one order").save(checkpoint(1))
    assert Checkpoints(tmp_path, "another").newest() is None
    assert Checkpoints(tmp_path / "nothing", "one order").newest() is None


def test_the_same_step_can_be_saved_again(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "order")
    kept.save(checkpoint(1))
    kept.save(checkpoint(1))
    assert step_of(kept.newest()) == 1
