# machine.sh DRIVER [GPUS] [MIG]: a machine with GPUS GPUs, in a mount namespace of its
# own, which the command on the standard input is run in. The directory DRIVER has lib,
# what the system's directory of libraries is to have besides, bin, proc, and class in the
# place of /sys/class, of which nodes of other GPUs follow.
set -e
driver=$1 gpus=${2:-2} mig=${3:-0}
libs=$(echo /usr/lib/*-linux-gnu)

mount -t overlay overlay -o "lowerdir=$driver/lib:$libs" "$libs"
if [ -d "$driver/bin" ]; then mount -t overlay overlay -o "lowerdir=$driver/bin:/usr/bin" /usr/bin; fi

dev=$driver/dev
mkdir -p "$dev"
mount -t tmpfs -o mode=755 dev "$dev"
mkdir "$dev/pts" "$dev/shm" "$dev/nvidia-caps"
mount --rbind /dev/pts "$dev/pts"
for name in null zero full random urandom tty fuse; do
	: >"$dev/$name"
	mount --bind "/dev/$name" "$dev/$name"
done
node() {
	: >"$dev/$1"
	mount --bind /dev/null "$dev/$1"
}
if [ "$gpus" -gt 0 ]; then
	for name in nvidiactl nvidia-uvm nvidia-uvm-tools nvidia-modeset; do node "$name"; done
	for i in $(seq 0 $((gpus - 1))); do node "nvidia$i"; done
fi
if [ "$mig" -gt 0 ]; then
	for i in 1 2 12 13 21 22; do node "nvidia-caps/nvidia-cap$i"; done
fi
if [ -d "$driver/class" ]; then
	mkdir "$dev/dri"
	node kfd
	for name in "$driver"/class/drm/renderD*; do node "dri/${name##*/}"; done
	mount --bind "$driver/class" /sys/class
fi
mount --rbind "$dev" /dev
if [ -d "$driver/proc" ]; then
	mount -t tmpfs proc /proc/driver
	cp -r "$driver/proc/." /proc/driver
fi
exec sh
