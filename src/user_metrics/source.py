"""Where users and orders are extracted from, as environment variables say; docs/settings.md lists them."""

import re
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

Expression = Annotated[str, Field(min_length=1)]
"""SQL of DuckDB over the columns of the source's table: most often the name of one."""


class SourceError(Exception):
    """A setting of the source is missing or wrong; the message is a sentence."""


class SourceTable(BaseModel, extra="forbid"):
    """What both tables have."""

    table: Annotated[str, Field(min_length=1)]
    id: Expression = "id"
    created_at: Expression = "created_at"
    updated_at: Expression = "updated_at"

    def expressions(self) -> dict[str, str]:
        """How each column of the lake is made, in no order."""
        return self.model_dump(exclude={"table"})


class Users(SourceTable):
    """The source's users."""

    table: Annotated[str, Field(min_length=1)] = "users"
    email: Expression = "email"


class Orders(SourceTable):
    """The source's orders."""

    table: Annotated[str, Field(min_length=1)] = "orders"
    user_id: Expression = "user_id"
    amount: Expression = "amount"
    status: Expression = "status"


class Source(BaseSettings):
    """The application's PostgreSQL: variables begin with SOURCE_, and with SOURCE_USERS__ and SOURCE_ORDERS__."""

    model_config = SettingsConfigDict(env_prefix="SOURCE_", env_nested_delimiter="__", extra="ignore")

    postgres_dsn: SecretStr
    db_schema: Annotated[str, Field(min_length=1)] = "public"
    users: Users = Users()
    orders: Orders = Orders()
    statuses: dict[str, str] = {}
    """The source's statuses by those of seeds/order_statuses.csv, where they are called otherwise."""
    overlap_minutes: Annotated[int, Field(ge=0)] = 60
    """How long before the day changes are looked for: for transactions that were not committed when it ended."""
    timeout_seconds: Annotated[int, Field(ge=1)] = 3600
    """How long one query may take."""
    attempts: Annotated[int, Field(ge=1)] = 5
    """How often it is tried while the server cannot be reached."""


def source() -> Source:
    """The source as the environment describes it; raises SourceError, which names the variable."""
    try:
        return Source()  # type: ignore[call-arg]  # the environment has its fields
    except ValidationError as error:
        first = error.errors()[0]
        name = "SOURCE_" + "__".join(str(part).upper() for part in first["loc"])
        if first["type"] == "missing":
            raise SourceError(f"{name} is not set: docs/extraction.md says to what.") from None
        said = first["msg"].removeprefix("Value error, ")
        raise SourceError(f"{name} is wrong: {said[:1].lower()}{said[1:]}.") from None
    except SettingsError as error:
        (field,) = re.findall('field "(.*?)"', str(error))
        example = '{"paid": "completed"}'
        raise SourceError(f"SOURCE_{field.upper()} is no JSON: write it like '{example}'.") from None
