"""What parameters are made of: models that take no unknown key, and the kinds of numbers in them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
RowName = Annotated[str, Field(pattern="^[a-z0-9-]+$")]


class Strict(BaseModel):
    """No unknown keys, no silent conversions, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
