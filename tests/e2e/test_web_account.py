"""Does an account reach others: machines by its keys, and people by what an admin decides?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.one_process import OneProcess
from tests.e2e.visitor import PASSWORD, Visitor, heading, log_in, new_name, new_visitor, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
async def visitor(browser: Browser, one_process: OneProcess) -> AsyncIterator[Visitor]:
    visitor = await new_visitor(browser, one_process.url)
    yield visitor
    await visitor.leave()


async def test_machine_comes_in_by_a_key_until_it_is_revoked(visitor: Visitor) -> None:
    page = await visitor.open("/account")
    await sign_up(page)
    await page.get_by_role("button", name="Make a key").click()
    await page.get_by_label("What is it for?").fill("radio")
    await page.get_by_role("button", name="Make the key").click()
    exchange = {"api_key": await page.get_by_label("The key of radio").input_value()}

    async with httpx.AsyncClient(base_url=visitor.url) as machine:
        token = (await machine.post("/v1/auth/token", json=exchange)).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await machine.get("/v1/songs", headers=bearer)).status_code == 200
        assert (await machine.delete("/v1/queries", headers=bearer)).json()["code"] == "scope_missing"

        await page.get_by_role("button", name="Revoke the key radio").click()
        await expect(page.get_by_label("The key of radio")).to_have_count(0)
        assert (await machine.post("/v1/auth/token", json=exchange)).status_code == 401


async def test_admin_invites_somebody_and_lets_them_listen_alone(
    visitor: Visitor, browser: Browser, one_process: OneProcess
) -> None:
    page = await visitor.open("/account")
    owner = json.loads((one_process.data / "owner.json").read_text())
    await log_in(page, owner["username"], owner["password"])
    await page.get_by_role("button", name="Invite somebody").click()
    link = await page.get_by_label("The link of the invite").input_value()

    guest, name = await browser.new_page(), new_name()
    await guest.goto(link)
    await come_in(guest, name)
    await page.reload()
    await page.get_by_label(f"What {name} may do").select_option("Listens")
    await expect(page.get_by_text(f"{name} listens.")).to_be_visible()
    await guest.goto(f"{visitor.url}/upload")
    await expect(guest.get_by_role("heading", name="Your account is for listening")).to_be_visible()
    await page.get_by_role("button", name=f"Delete the account of {name}").click()
    await page.get_by_role("button", name="Delete everything").click()
    await expect(page.get_by_label(f"What {name} may do")).to_have_count(0)
    await guest.reload()
    await expect(heading(guest, "Log in")).to_be_visible()
    await guest.close()


async def come_in(page: Page, name: str) -> None:
    await expect(page.get_by_label("Invite code")).not_to_have_value("")
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Make an account").click()
    await expect(heading(page, "Library")).to_be_visible()
