# Process 1 of a cluster; $1 is the cluster's folder. It makes the mounts, says that it is ready, and reaps.
set -eu
folder=$1

# What is mounted from here on is seen inside only; pods may share it with each other.
mount --make-rprivate /
mount --make-rshared /
mount -t proc proc /proc
mount -t tmpfs -o mode=755,size=64m tmpfs /run
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/log" /var/log

# No name server of the machine can be reached. Its file may be a link into /run.
resolver=$(readlink -m /etc/resolv.conf)
case $resolver in
    /run/*) mkdir -p "$(dirname "$resolver")" && : > "$resolver" ;;
esac
[ ! -e "$resolver" ] || mount --bind "$folder/resolv.conf" "$resolver"

# The kubelet sets these for the whole machine, unless it finds them set.
for file in "$folder"/kernel/*; do
    setting=/proc/sys/$(basename "$file" | tr . /)
    [ ! -e "$setting" ] || mount --bind "$file" "$setting"
done

: > "$folder/holder.ready"
trap : HUP INT TERM
set +e
while :; do
    sleep 86400 &
    wait
done
