#!/bin/sh
# Runs portcullis as a Pod of the Deployment does: as its user, in a root folder that holds nothing else and takes no file,
# with little memory, and with a name server that never answers.
set -eu
program='PROGRAM' root='ROOT' memory=MEMORY user=USER

if ISOLATED; then
    if [ "${1-}" != inside ]; then
        exec unshare --mount --propagation private "$0" inside "$@"
    fi
    shift
    # What is mounted from here on is seen by this process alone, and goes with it.
    mount -t tmpfs -o size=1m,mode=755 none "$root"
    # The program under test is linked with the libraries of this machine, unlike the one in an image.
    for folder in /lib /lib64 /usr/lib; do
        if [ -d "$folder" ]; then
            mkdir -p "$root$folder"
            mount --bind -o ro "$folder" "$root$folder"
        fi
    done
    mkdir "$root/etc" "$root/proc"
    mount --rbind /proc "$root/proc"
    # An address that is for documentation only.
    echo 'nameserver 192.0.2.1' > "$root/etc/resolv.conf"
    cp "$KUBECONFIG" "$root/kubeconfig"
    chown "$user" "$root/kubeconfig"
    KUBECONFIG=/kubeconfig
    touch "$root/portcullis"
    mount --bind -o ro "$program" "$root/portcullis"
    mount -o remount,ro "$root"
    set -- chroot "--userspec=$user:$user" "$root" /portcullis "$@"
else
    set -- "$program" "$@"
fi
# In KiB.
ulimit -d "$memory"
exec "$@"
