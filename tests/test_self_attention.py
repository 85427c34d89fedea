import pytest
import torch

from an.layers import SelfAttention2d


@pytest.mark.parametrize("pool", [True, False])
def test_against_a_loop_over_pixels(pool):
    torch.manual_seed(0)
    layer = SelfAttention2d(16, pool=pool).double()
    torch.nn.init.constant_(layer.gamma, 0.7)
    x = torch.randn(2, 16, 4, 6, dtype=torch.float64)
    key, value = layer.phi(x), layer.g(x)
    if pool:
        key, value = (torch.nn.functional.max_pool2d(t, 2) for t in (key, value))
    query = layer.theta(x)
    mixed = torch.zeros(2, 8, 4, 6, dtype=torch.float64)
    for k in range(2):
        for r in range(4):
            for c in range(6):
                logits = (key[k] * query[k, :, r, c][:, None, None]).sum(0).flatten()
                mixed[k, :, r, c] = (value[k].flatten(1) * logits.softmax(0)).sum(1)
    torch.testing.assert_close(layer(x), x + 0.7 * layer.o(mixed))


def test_a_new_layer_is_the_identity_and_bad_input_an_error():
    layer = SelfAttention2d(8)
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(layer(x), x)
    with pytest.raises(ValueError):
        layer(torch.zeros(1, 16, 4, 4))
    with pytest.raises(ValueError):
        SelfAttention2d(4)
