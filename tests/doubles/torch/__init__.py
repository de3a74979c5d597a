"""A double of TORCH, as "torch-crtdl", section 3, plans it. In tests: `from doubles.torch.double import TorchDouble`."""
