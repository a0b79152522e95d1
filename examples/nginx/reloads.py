#!/usr/bin/env python3
"""What reloads cost nginx's master in memory: with portcullis, with Lua that does nothing in its place, and without Lua. No load, so that nothing else
moves. From the repository's root, after `cargo build --release`: python3 examples/nginx/reloads.py [RELOADS]
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.realpath(os.environ.get("PORTCULLIS_LIBRARY", os.path.join(HERE, "../../target/release/libportcullis.so")))
RELOADS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
PORT = 18083
INIT = re.compile(r"init_worker_by_lua_block \{.*?\n  \}", re.S)
ACCESS = re.compile(r"access_by_lua_block \{.*\}")
CONTENT = re.compile(r"content_by_lua_block \{.*\}")


def configured(folder, kind):
    """The example's configuration, or the same with something else in place of portcullis."""
    with open(f"{HERE}/nginx.conf") as file:
        text = file.read()
    for mark, value in (("@DIR@", folder), ("@HERE@", HERE), ("@LIBRARY@", LIBRARY), ("@PORT@", str(PORT))):
        text = text.replace(mark, value)
    if kind == "Lua alone":
        text = INIT.sub("init_worker_by_lua_block { local nothing }", text)
        text = CONTENT.sub('content_by_lua_block { ngx.print("x") }', ACCESS.sub("access_by_lua_block { local nothing }", text))
    elif kind == "no Lua":
        text = CONTENT.sub('return 200 "x";', ACCESS.sub("", INIT.sub("", text)))
        text = re.sub(r"lua_package_path .*|include .*modules-enabled.*", "", text)
    assert kind == "portcullis" or 'require("portcullis")' not in text, text
    return text if os.getuid() else "user root;\n" + text


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def workers(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return set(file.read().split())


def run(kind):
    folder = tempfile.mkdtemp()
    try:
        for name, text in (("config.json", None), ("nginx.conf", configured(folder, kind))):
            if text is None:
                with open(f"{HERE}/{name}") as file:
                    text = file.read().replace("@DIR@", folder)
            with open(f"{folder}/{name}", "w") as file:
                file.write(text)
        command = ["nginx", "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
        master = subprocess.Popen(command)
        try:
            while not workers(master.pid):
                time.sleep(0.05)
            sizes = [resident(master.pid)]
            for _ in range(RELOADS):
                before = workers(master.pid)
                subprocess.run([*command, "-s", "reload"], check=True, stderr=subprocess.DEVNULL)
                # The new workers are there, and the old ones gone.
                while not workers(master.pid) or workers(master.pid) & before:
                    assert master.poll() is None, "nginx has ended"
                    time.sleep(0.02)
                sizes.append(resident(master.pid))
        finally:
            master.terminate()
            master.wait()
    finally:
        shutil.rmtree(folder)
    marks = sorted({0, RELOADS // 10, RELOADS // 2, RELOADS * 7 // 10, RELOADS})
    print(f"{kind:<12}", *(f"{at:>5}: {sizes[at]:>6} KiB" for at in marks), flush=True)


for kind in ("portcullis", "Lua alone", "no Lua"):
    run(kind)
