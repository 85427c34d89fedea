"""Files inside a tar, read where they stand: a tar is not compressed, and nothing of it is unpacked."""

import tarfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..errors import UserError


class Member(NamedTuple):
    """A file in an archive, or in an archive within it."""

    archive: Path
    name: str  # without folders
    offset: int  # of its first byte in the archive
    size: int

    def __str__(self) -> str:
        return f"{self.name} of {self.archive}"

    def content(self) -> bytes:
        with open(self.archive, "rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def members(of: Path | Member) -> list[Member]:
    """The files in a tar, or in a tar that is a member of another, by name.

    Raises UserError for what is no tar or ends early, for links, and for names that lead out of a folder.
    """
    archive, begin, size = (of.archive, of.offset, of.size) if isinstance(of, Member) else (of, 0, of.stat().st_size)
    found = []
    with open(archive, "rb") as file:
        file.seek(begin)
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                for entry in tar:
                    name = PurePosixPath(entry.name)
                    if name.is_absolute() or ".." in name.parts or not (entry.isfile() or entry.isdir()):
                        raise UserError(
                            f"{of} has a member {entry.name!r}, which is a link or leads out of its folder: fetch it "
                            "again."
                        )
                    if entry.offset_data + entry.size > begin + size:
                        raise tarfile.ReadError(f"{name} is cut off")
                    if entry.isfile():
                        found.append(Member(archive, name.name, entry.offset_data, entry.size))
                # The module takes a damaged header for the end, at which blocks of zeros stand.
                file.seek(tar.offset)
                if any(file.read(max(0, min(tarfile.BLOCKSIZE, begin + size - tar.offset)))):
                    raise tarfile.ReadError(f"what follows {found[-1].name if found else 'its begin'} is no member")
        except tarfile.TarError as error:
            raise UserError(f"{of} is cut off or damaged ({error}): fetch it again.") from None
    return sorted(found, key=lambda member: member.name)
