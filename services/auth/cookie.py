"""How does a browser keep its refresh token where no script reads it, and no other page makes use of it?"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request, Response

from shared.errors import Rejected

# Browsers refuse a cookie of this prefix from anywhere without TLS, this machine excepted. `__Host-` would keep sibling
# domains from setting one too, but demands the path /: the token would then travel with every request to every service.
NAME = "__Secure-tunescout-refresh"
PATH = "/v1/auth"


class RefreshCookie:
    """The cookie with the refresh token: HttpOnly, Secure, SameSite=Strict, sent to auth alone.

    Parameters
    ----------
    public_url : str
        The service as browsers see it.
    life_s : int
        How long a browser keeps the cookie: as long as the token in it is good.
    """

    def __init__(self, public_url: str, *, life_s: int) -> None:
        parts = urlsplit(public_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._life_s = life_s

    def read(self, request: Request) -> str | None:
        """Return the token of the browser that asks, if it has one.

        Raises
        ------
        Rejected
            A page of somebody else asks (status 403).
        """
        # Without a cookie, too: what is answered may take it away, and that reaches a browser that did not send it.
        self.require_own_page(request)
        return request.cookies.get(NAME)

    def require_own_page(self, request: Request) -> None:
        """Refuse what a page of another origin has sent, one on another port or subdomain included.

        Browsers say by `Sec-Fetch-Site` where a request is from; older ones, and those on plain HTTP, by `Origin`. What
        has neither is no page, and nobody's cookies are added to it without their doing.

        Raises
        ------
        Rejected
            A page of somebody else asks (status 403).
        """
        site = request.headers.get("sec-fetch-site")
        is_own = site == "same-origin" if site else request.headers.get("origin", self._origin) == self._origin
        if not is_own:
            raise Rejected("cross_site", "the cookie is for this server's own pages alone", status=403)

    def put(self, response: Response, token: str) -> None:
        """Have the browser keep a token, in place of the one before."""
        response.set_cookie(NAME, token, max_age=self._life_s, path=PATH, secure=True, httponly=True, samesite="strict")

    def clear(self, response: Response) -> None:
        """Have the browser forget its token."""
        response.delete_cookie(NAME, path=PATH, secure=True, httponly=True, samesite="strict")
