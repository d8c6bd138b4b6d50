"""Does whoever follows something hear of its end, whatever happens to the table meanwhile?"""

from __future__ import annotations

from pydantic import BaseModel

from shared.errors import Unavailable
from shared.runtime.progress import Step, follow


class Said(BaseModel):
    state: str


async def test_a_stream_goes_on_when_the_table_is_there_again() -> None:
    reads = [Step(1, Said(state="queued"), is_last=False), None, Step(2, Said(state="ready"), is_last=True)]

    async def read() -> Step:
        step = reads.pop(0)
        if step is None:
            raise Unavailable("the table is away")
        return step

    assert [event.id async for event in follow(read, name="render", after=0)] == ["1", "2"]
