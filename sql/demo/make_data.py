#!/usr/bin/env python3
"""Make packages.tsv.gz, the data of the demo, from a folder with the full set of packages.

Usage: make_data.py FOLDER [OUTPUT]

FOLDER holds
  packages.tsv        name, section, short description: UTF-8, tab-separated, one package a line
  embeddings.f16.npy  NumPy array (packages, 384) of little-endian half floats, row i for line i

The output is a gzip'ed text for COPY: name, section, summary and the vector as `[0.0123,-0.0456,...]`, rounded to
four decimals, ordered by name. The same input gives the same rows. Only
Python's standard library is needed; the demo itself needs no Python.
"""

import ast
import gzip
import hashlib
import math
import re
import struct
import sys

ROWS = 5000
DIMENSIONS = 384

# What people look for first. Names that the input does not have are passed over.
WELL_KNOWN = """
postgresql postgresql-15 postgresql-client-15 postgresql-common postgresql-contrib postgresql-server-dev-15
postgresql-plpython3-15 postgresql-15-postgis-3 postgresql-15-pgvector postgresql-15-cron postgresql-15-repack
postgresql-15-partman postgresql-15-hypopg postgresql-15-rum postgresql-15-citus postgis pgbouncer pgpool2 pgloader
pgbadger pgbackrest pgadmin4 barman patroni repmgr pgcli pgtop pg-activity pgtap wal-g libpq5 libpq-dev mariadb-server
mariadb-client mysql-server default-mysql-server sqlite3 libsqlite3-0 sqlitebrowser redis redis-server redis-tools
memcached mongodb cassandra couchdb influxdb etcd-server etcd-client rocksdb-tools leveldb-doc libleveldb1d librocksdb7.8
duckdb tarantool odbc-postgresql unixodbc freetds-bin sqlcipher mycli litecli iredis barman-cli virtuoso-opensource
git git-lfs git-gui gitk git-svn git-annex gitg tig mercurial subversion bzr cvs rcs fossil darcs gitolite3 git-flow
vim vim-gtk3 vim-nox neovim emacs nano kakoune micro joe jed ed gedit kate geany mousepad scite featherpad bluefish
leafpad mc code lyx texstudio texmaker texlive texlive-full latexmk pandoc
nginx apache2 lighttpd haproxy varnish squid caddy traefik uwsgi gunicorn tomcat10 jetty9 certbot letsencrypt wordpress
mediawiki drupal nextcloud-desktop phpmyadmin roundcube dokuwiki
python3 python3-pip python3-venv python3-dev python3-numpy python3-scipy python3-pandas python3-matplotlib
python3-sklearn python3-django python3-flask python3-requests python3-sqlalchemy python3-psycopg2 python3-pytest
python3-jinja2 python3-yaml python3-lxml python3-bs4 python3-pil python3-redis python3-pymongo python3-torch
python3-tornado python3-aiohttp python3-fastapi python3-uvicorn python3-celery python3-networkx python3-sympy
python3-nltk python3-opencv python3-cryptography python3-paramiko python3-pygame python3-tk python3-virtualenv
python3-setuptools python3-wheel python3-click python3-boto3 python3-scrapy python3-h5py python3-numba ipython3
jupyter jupyter-notebook spyder idle idle3 cython3 pypy3 pylint black mypy flake8 pipx poetry
gcc g++ gfortran clang llvm lldb gdb valgrind strace ltrace make cmake ninja-build meson autoconf automake libtool
bison flex nasm ccache distcc binutils build-essential pkg-config gcc-12 clang-14 cpp rustc cargo golang golang-go ghc
ocaml nodejs npm yarnpkg ruby rails perl php php-cli php-fpm lua5.4 luajit tcl tk racket guile-3.0 sbcl erlang elixir
scala kotlin openjdk-17-jdk openjdk-17-jre default-jdk maven gradle ant r-base octave julia swi-prolog gforth fpc mono-complete
node-typescript node-react node-express webpack bash zsh fish dash ksh tcsh tmux screen byobu bash-completion
curl wget aria2 httpie rsync rclone openssh-server openssh-client mosh sshfs ssh net-tools iproute2 iputils-ping
traceroute nmap tcpdump wireshark tshark iperf3 netcat-openbsd socat dnsutils bind9 dnsmasq unbound chrony ntp
network-manager wpasupplicant wireguard openvpn strongswan fail2ban ufw iptables nftables tor privoxy dropbear samba
nfs-kernel-server vsftpd proftpd-core filezilla transmission-gtk deluge qbittorrent ktorrent lynx w3m links elinks
firefox-esr chromium epiphany-browser falkon konqueror qutebrowser midori thunderbird evolution kmail mutt neomutt alpine
claws-mail postfix exim4 dovecot-core sendmail spamassassin opendkim rspamd mailutils irssi weechat hexchat pidgin
gajim dino-im telegram-desktop quassel konversation profanity ejabberd prosody znc
docker.io docker-compose podman buildah lxc lxd libvirt-daemon virt-manager qemu-system-x86 qemu-kvm virtualbox
vagrant ansible puppet salt-master chef terraform kubernetes-client systemd cron anacron logrotate rsyslog htop btop
atop iotop glances sysstat nmon lsof ncdu duf tree fzf ripgrep fd-find bat silversearcher-ag ack jq yq xmlstarlet
sudo doas cockpit webmin monit nagios4 icinga2 zabbix-server-pgsql prometheus grafana munin collectd borgbackup restic
duplicity bacula-client amanda-server timeshift deja-dup parted gparted fdisk lvm2 mdadm cryptsetup e2fsprogs
btrfs-progs xfsprogs zfsutils-linux smartmontools hdparm testdisk grub2 memtest86+ apt aptitude synaptic dpkg debootstrap
flatpak snapd alien
gimp inkscape krita blender darktable rawtherapee digikam shotwell imagemagick graphicsmagick feh eog gthumb scribus
dia graphviz freecad openscad librecad kicad povray ffmpeg vlc mpv mplayer obs-studio kdenlive openshot-qt handbrake
audacity ardour lmms hydrogen mixxx rhythmbox clementine amarok cmus mpd ncmpcpp sox lame flac vorbis-tools alsa-utils
pulseaudio pipewire jackd2 musescore3 rosegarden fluidsynth supercollider cheese simplescreenrecorder kodi
libreoffice libreoffice-writer libreoffice-calc abiword gnumeric calibre evince okular zathura xpdf mupdf qpdf
pdftk-java poppler-utils ghostscript tesseract-ocr ocrmypdf hunspell aspell gnucash homebank kmymoney
gnome kde-plasma-desktop xfce4 lxde lxqt mate-desktop-environment cinnamon i3 sway openbox awesome fluxbox bspwm dwm
gnome-terminal konsole xterm kitty alacritty rxvt-unicode terminator nautilus dolphin thunar pcmanfm gnome-shell
sddm gdm3 lightdm xorg wayland-protocols rofi dmenu picom conky-all redshift
0ad wesnoth freeciv openttd supertux supertuxkart nethack-console angband crawl frozen-bubble minetest chess gnuchess
stockfish gnome-chess pingus hedgewars warzone2100 xonotic openarena teeworlds armagetronad extremetuxracer
scummvm dosbox steam retroarch mame stellarium celestia kstars gnome-mahjongg gnome-sudoku aisleriot bsdgames
gnupg openssl keepassxc pass kleopatra seahorse clamav rkhunter chkrootkit lynis aircrack-ng hydra john hashcat
sqlmap metasploit-framework nikto wapiti aide tripwire apparmor auditd
anki gcompris-qt geogebra scratch gnuplot gnuplot-qt maxima wxmaxima sagemath pari-gp gap singular qgis grass gmt
openbabel avogadro pymol gromacs lammps quantum-espresso bwa samtools blast2 ncbi-blast+ hmmer emboss clustalw
libopencv-dev libboost-all-dev libssl-dev libcurl4-openssl-dev libeigen3-dev libblas3 libopenblas0 libatlas3-base
libfftw3-dev libgsl-dev libhdf5-dev libopenmpi-dev openmpi-bin libxml2 zlib1g bzip2 xz-utils zstd lz4 7zip p7zip-full
unzip zip tar cpio unrar-free coreutils findutils grep sed gawk mawk diffutils patch less man-db file bc dc moreutils
parallel pv cowsay fortune-mod figlet toilet lolcat sl cmatrix neofetch screenfetch
apache2-utils elasticsearch solr-tomcat recoll xapian-tools sphinxsearch opensearch kafka rabbitmq-server mosquitto
nats-server zeromq beanstalkd gearman openldap slapd freeradius krb5-kdc bind9utils coturn asterisk linphone mumble
gpsd foxtrotgps viking marble fonts-dejavu fonts-noto fonts-liberation fonts-roboto fonts-firacode fonts-hack
"""

# Sections that hold what people install by name get a larger share of what is left.
SECTION_WEIGHT = {
    "database": 4.0, "editors": 3.0, "vcs": 4.0, "httpd": 4.0, "shells": 4.0, "web": 3.0, "mail": 2.5, "video": 2.5,
    "graphics": 2.5, "sound": 2.0, "games": 2.0, "utils": 2.0, "net": 2.0, "admin": 2.0, "python": 1.5, "text": 1.5,
    "interpreters": 1.5, "education": 3.0, "math": 2.0, "science": 1.5, "gnome": 1.5, "kde": 1.5, "devel": 1.5,
    "doc": 0.3, "libdevel": 0.4, "debug": 0.1, "oldlibs": 0.1, "localization": 0.3, "metapackages": 0.5,
}
DEPENDENT = re.compile(r"-(doc|dev|dbg|dbgsym|data|common|bin|cil|tests?|examples|all|plugins?|extra|l10n|i18n)$")
LANGUAGE_LIBRARY = re.compile(r"^(lib|python3-|ruby-|node-|golang-|php-|r-|elpa-|haskell-|lua-|gir1\.2-|fonts-|task-)")


def read_names(folder):
    """The packages as (name, section, summary), in file order."""
    with open(f"{folder}/packages.tsv", encoding="utf-8") as file:
        rows = [tuple(line.rstrip("\n").split("\t")) for line in file]
    for row in rows:
        if len(row) != 3 or not all(row) or any("\\" in field for field in row):
            sys.exit(f"unexpected line in packages.tsv: {row!r}")
    return rows


def open_embeddings(folder, rows):
    """The raw bytes of the array's rows, after checking the .npy header."""
    with open(f"{folder}/embeddings.f16.npy", "rb") as file:
        raw = file.read()
    if raw[:8] != b"\x93NUMPY\x01\x00":
        sys.exit("embeddings.f16.npy: not a version 1 .npy file")
    start = 10 + struct.unpack_from("<H", raw, 8)[0]
    header = ast.literal_eval(raw[10:start].decode("latin-1"))
    if header != {"descr": "<f2", "fortran_order": False, "shape": (rows, DIMENSIONS)}:
        sys.exit(f"embeddings.f16.npy: unexpected header {header}")
    return memoryview(raw)[start:]


def obscurity(name):
    """A rank for names that are on no list: short plain names first, parts of other packages last, ties by hash."""
    rank = len(name) / 4 + 2 * name.count("-") + sum(ch.isdigit() for ch in name) / 2
    rank += 8 * bool(DEPENDENT.search(name)) + 3 * bool(LANGUAGE_LIBRARY.match(name))
    return rank, hashlib.sha256(name.encode()).hexdigest()


def choose(rows):
    """Line numbers of the packages to keep, ordered by name."""
    line_of = {row[0]: line for line, row in enumerate(rows)}
    chosen = {line_of[name] for name in WELL_KNOWN.split() if name in line_of}
    sections = {}
    for line, (name, section, _) in enumerate(rows):
        if line not in chosen:
            sections.setdefault(section, []).append((obscurity(name), line))
    for packages in sections.values():
        packages.sort()
    # One package at a time for the section that is furthest behind its share: weight x square root of its size.
    share = {section: SECTION_WEIGHT.get(section, 1.0) * math.sqrt(len(p)) for section, p in sections.items()}
    taken = dict.fromkeys(sections, 0)
    while len(chosen) < ROWS:
        open_sections = [s for s in sections if taken[s] < len(sections[s])]
        section = min(open_sections, key=lambda s: ((taken[s] + 1) / share[s], s))
        chosen.add(sections[section][taken[section]][1])
        taken[section] += 1
    return sorted(chosen, key=lambda line: rows[line][0])


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder, output = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "packages.tsv.gz"
    rows = read_names(folder)
    embeddings = open_embeddings(folder, len(rows))
    lines = []
    for line in choose(rows):
        values = struct.unpack_from(f"<{DIMENSIONS}e", embeddings, line * DIMENSIONS * 2)
        vector = ",".join(f"{value:.4f}".replace("-0.0000", "0.0000") for value in values)
        lines.append("\t".join(rows[line]) + f"\t[{vector}]\n")
    with open(output, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write("".join(lines).encode("utf-8"))
    print(f"{output}: {len(lines)} packages")


if __name__ == "__main__":
    main()
