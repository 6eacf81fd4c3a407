"""LeNet-5, whose last layer is drawn, in `neocog train`."""

from pathlib import Path

from safetensors.numpy import load_file

from door import neocog


def test_the_papers_recipe_trains_the_papers_network(tmp_path: Path) -> None:
    """The ten drawn bitmaps give way to a linear layer on the 84 units; all else is the network of the paper."""
    words = ("-m", "lenet5", "--recipe", "lenet-1998", "--epochs", 1, "-b", 16, "-o", "run")
    done = neocog("train", "builtin/digits", *words, cwd=tmp_path)
    assert "a linear layer takes their place" in done.stderr
    tensors = load_file(tmp_path / "run" / "model.safetensors")
    assert tensors["rbf.weight"].shape == (10, 84) and tensors["rbf.bias"].shape == (10,)
    assert sum(tensor.size for tensor in tensors.values()) == 60_000 + 84 * 10 + 10
    neocog("verify", "run", cwd=tmp_path)
