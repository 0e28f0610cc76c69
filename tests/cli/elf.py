#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""elf.py arm64|386 FILE: a program of that architecture which writes "/made" into a file /made, so that
a test needs no other system's packages. The code is what an assembler makes of

    open("/made", O_WRONLY | O_CREAT | O_TRUNC, 0644); write(fd, "/made", 5); exit(0)
"""
import os
import struct
import sys

CODE = {
    "arm64": "600c809281010010224880d2833480d2080780d2010000d4e1000010a20080d2080880d2010000d4"
             "000080d2a80b80d2010000d42f6d61646500",
    "386": "b805000000e8000000005b83c32b89d951b941020000baa4010000cd8089c359ba05000000b804000000"
           "cd8031dbb801000000cd802f6d61646500",
}
BASE, PAGE = 0x400000, 0x1000

arch, path = sys.argv[1:]
code = bytes.fromhex(CODE[arch])
if arch == "arm64":
    head = 64 + 56
    text = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, 183, 1, BASE + head, 64, 0, 0, 64, 56, 1, 0, 0, 0) + struct.pack(
        "<IIQQQQQQ", 1, 5, 0, BASE, BASE, head + len(code), head + len(code), PAGE)
else:
    head = 52 + 32
    text = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack(
        "<HHIIIIIHHHHHH", 2, 3, 1, BASE + head, 52, 0, 0, 52, 32, 1, 0, 0, 0) + struct.pack(
        "<IIIIIIII", 1, 0, BASE, BASE, head + len(code), head + len(code), 5, PAGE)
with open(path, "wb") as f:
    f.write(text + code)
os.chmod(path, 0o755)
