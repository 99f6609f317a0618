"""Profiles by their address: "instagram.com/noa.vidal", "github.com/adrianpc/practica3".

On networks of people every account is somebody's; on YouTube and where programs are kept lessons have accounts too, so
that only one's own, or one that is told of, is personal. Rules run over the fold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ftworker.curation.privacy.folding import View
from ftworker.curation.privacy.kinds import Finding, Kind

# A profile by its address. On YouTube lessons have accounts too: only one's own is personal.
_PROFILE = re.compile(
    rb"(?:https?://)?(?:www\.|m\.|vm\.)?\b(?:(?P<network>(?:instagram|tiktok|twitter|facebook|twitch|snapchat|"
    rb"threads|"
    rb"kick|soundcloud|pinterest|linktr|ko-fi|behance|kaggle|vk|genius|vsco|patreon|anilist|letterboxd|bsky|"
    rb"lichess|chess|"
    rb"wuolah|replit|roblox|wattpad|reddit|steamcommunity|linkedin|spotify|discord|scratch\.mit|\bx)\."
    rb"(?:com|tv|net|es|ee|org|app|edu|co|mx)/(?:(?:add|id|in|user|users|u|usuario|profile|profiles|member|perfil|"
    rb"people)/|"
    rb"@/)?@?)|youtube\.com/(?:@|c/|user/)|\bt\.me/|git(?:hub|lab)\.com/)"
    rb"(?P<name>[a-z0-9_][\w.\-]{2,29})(?![\w\-])"
)
_PROFILE_PAGES = frozenset(
    b"explore reel reels stories hashtag search watch video videos share login about help tags groups events pages "
    b"playlist track album games game app store home download company school jobs learning docs legal privacy "
    b"support "
    b"topics settings channel directory clip board ideas competitions datasets code".split()
)
_OWN = re.compile(
    rb"\b(?:mi|mis|nuestr\w|meu|my|meva|perfil|hacke\w+|mirad|segui\w*|sigue\w*|suscrib\w+|se burla|companer[oa])\b"
)
_CUE_CHARACTERS = 40


def profiles(seen: View, begin: int, stop: int) -> Iterator[Finding]:
    """The addresses of somebody's profiles in this stretch."""
    folded = seen.folded
    if folded.find(b"/", begin, stop) == -1:
        return
    for found in _PROFILE.finditer(folded, begin, stop):
        name = found["name"].rstrip(b".")
        own = (
            found["network"]
            or b"t.me" in found[0]
            or _OWN.search(folded, max(0, found.start() - _CUE_CHARACTERS), found.start())
        )
        if own and name not in _PROFILE_PAGES:
            yield Finding(found.start(), found.start("name") + len(name), Kind.HANDLE)
