"""What parameters are made of: models that take no unknown key, and the kinds of numbers in them."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# numpy and torch take seeds up to 2**32 - 1, and the test images of the recall task have that one.
LAST_SEED = 2**32 - 2


def distinct(seeds: list[int]) -> list[int]:
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        raise ValueError(f"seed {twice} stands more than once")
    return seeds


PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Seeds = Annotated[
    list[Annotated[int, Field(ge=0, le=LAST_SEED)]],
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
    AfterValidator(distinct),
]
RowName = Annotated[str, Field(pattern="^[a-z0-9-]+$")]


class Strict(BaseModel):
    """No unknown keys, no silent conversions, no infinite number, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
