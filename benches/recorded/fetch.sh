#!/bin/sh
# Fetches free-licensed music that games of Debian carry: packages of the distribution that this runs on, of which only
# the Ogg files and the copyright files are unpacked, into FOLDER. Nothing is installed.
#
#   benches/recorded/fetch.sh FOLDER
#   cargo run --release --example tracks_find_themselves -- FOLDER --model RUN
set -eu
folder=${1:?"usage: fetch.sh FOLDER"}
packages="wesnoth-1.16-music supertux-data fillets-ng-data singularity-music lincity-ng-data torus-trooper-data
rrootage-data parsec47-data noiz2sa-data titanion-data gunroar-data a7xpg-data mu-cade-data tumiki-fighters-data
asc-music extremetuxracer-data neverball-data pingus-data hedgewars-data flare-game blobwars-data starfighter-data
btanks-data"
mkdir -p "$folder"
cd "$folder"
for package in $packages; do
    [ -e "$package" ] && continue
    rm -rf .part && mkdir .part # what an interrupted run left
    (cd .part && apt-get download -q "$package") || { echo "$package: not to be had here, left out" >&2; continue; }
    mkdir -p .part/files
    dpkg-deb --fsys-tarfile .part/*.deb | tar -x -C .part/files --wildcards '*.ogg' '*/copyright' || true
    mv .part/files "$package"
    rm -rf .part
    echo "$package: $(find "$package" -name '*.ogg' | wc -l) Ogg files"
done
