"""The layers. They import torch and nothing else of this project, so the folder can be lifted out."""

from .attentive_norm import AttentiveNorm2d
from .conditional_batch_norm import ConditionalBatchNorm2d
from .contextual_attention import ContextualAttention2d
from .self_attention import SelfAttention2d

__all__ = ["AttentiveNorm2d", "ConditionalBatchNorm2d", "ContextualAttention2d", "SelfAttention2d"]
