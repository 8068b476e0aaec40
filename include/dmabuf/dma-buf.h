/* SPDX-License-Identifier: MIT */
/* dma-buf.h - shared buffers: exporting, sharing, attaching, mapping */
#ifndef DMABUF_DMA_BUF_H
#define DMABUF_DMA_BUF_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <dmabuf/device.h>
#include <dmabuf/dma-fence.h>
#include <dmabuf/dma-resv.h>
#include <dmabuf/err.h>
#include <dmabuf/export.h>
#include <dmabuf/list.h>
#include <dmabuf/scatterlist.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dma_buf;
struct dma_buf_attachment;

/**
 * struct dma_buf_ops - what an exporter does for its buffers
 *
 * The table is not copied: it stays valid until @release has run. "resv held"
 * and "lock held" say what the library holds around the call; no other lock of
 * the library is held. An op that calls back into its own buffer for a lock
 * that is held around it is a BUG. What an op returns reaches the importer
 * unchanged, unless said otherwise here.
 */
struct dma_buf_ops {
	/**
	 * @cache_sgt_mapping: one mapping per attachment is kept from the
	 * first map until the detach. Excludes @pin and @unpin.
	 */
	bool cache_sgt_mapping;

	/**
	 * @attach: may this device use the buffer? Optional; no lock held; may
	 * block. May set &dma_buf_attachment.priv. 0, or -errno: -EBUSY when
	 * the memory is where the device cannot reach it. A positive value is
	 * taken as -EINVAL, with a warning.
	 */
	int (*attach)(struct dma_buf *, struct dma_buf_attachment *);

	/**
	 * @detach: undoes @attach. Optional; no lock held; may block. The
	 * attachment is off the list already.
	 */
	void (*detach)(struct dma_buf *, struct dma_buf_attachment *);

	/**
	 * @pin: keep the memory where it is, present and clean. With @unpin or
	 * not at all; resv held. Makes the exporter a dynamic one. At attach a
	 * positive value is taken as -EINVAL, with a warning.
	 */
	int (*pin)(struct dma_buf_attachment *);

	/** @unpin: the memory may move again. With @pin; resv held. */
	void (*unpin)(struct dma_buf_attachment *);

	/**
	 * @map_dma_buf: a table of the memory, mapped for the attachment's
	 * device. Mandatory; resv held; may block. The table is the importer's
	 * until @unmap_dma_buf. ERR_PTR on failure; NULL becomes -ENOMEM.
	 */
	struct sg_table *(*map_dma_buf)(struct dma_buf_attachment *,
					enum dma_data_direction);

	/**
	 * @unmap_dma_buf: takes the table back, in the direction it was mapped
	 * in. Mandatory; resv held; may block.
	 */
	void (*unmap_dma_buf)(struct dma_buf_attachment *, struct sg_table *,
			      enum dma_data_direction);

	/**
	 * @release: frees everything. Mandatory; called once, as the last op,
	 * with no lock held and no reference left to take.
	 */
	void (*release)(struct dma_buf *);

	/**
	 * @begin_cpu_access: make the memory right for the CPU. Optional; no
	 * lock held; may block. 0 or -errno.
	 */
	int (*begin_cpu_access)(struct dma_buf *, enum dma_data_direction);

	/** @end_cpu_access: undoes it. Optional; no lock held. 0 or -errno. */
	int (*end_cpu_access)(struct dma_buf *, enum dma_data_direction);

	/**
	 * @mmap: fill the reserved addresses @addr to @addr + @length with
	 * the buffer from @offset (bytes, whole pages, inside the buffer), by
	 * mmap(2) with MAP_FIXED and the @prot and @flags given. Optional:
	 * without it, mapping is -EINVAL. No lock held. 0 or -errno; a positive
	 * value is taken as -EINVAL, with a warning.
	 *
	 * With @backing_fd, the op says yes or no; the library then lays a
	 * view of the backing over what it mapped, so that munmap(2) can give
	 * back the reference.
	 *
	 * Differs from the kernel: no vm_area_struct.
	 */
	int (*mmap)(struct dma_buf *, void *addr, size_t length, int prot,
		    int flags, off_t offset);

	/**
	 * @vmap: map the whole buffer for the CPU. Optional; lock held. Asked
	 * only while no mapping exists. The address; NULL or ERR_PTR reaches
	 * the importer, and nothing is stored.
	 *
	 * Differs from the kernel, which fills a struct iosys_map.
	 */
	void *(*vmap)(struct dma_buf *);

	/**
	 * @vunmap: undoes it. Optional; lock held. Called only for the last
	 * mapping, with the address that @vmap returned.
	 */
	void (*vunmap)(struct dma_buf *, void *vaddr);

	/**
	 * @backing_fd: the memfd that holds the pages from offset 0 on; stays
	 * the exporter's, open and unchanged until @release. Optional, ours;
	 * no lock held; asked by the first dma_buf_fd(), and again when that
	 * failed or two threads were first. -errno fails the call.
	 *
	 * It makes the buffer page-backed: other processes can map its fds.
	 * The library seals the memfd against shrinking, growing and further
	 * seals, so it must allow sealing and have the buffer's size. For
	 * dma_buf_get() in another process its name begins with "dmabuf:". A
	 * first dma_buf_fd() that fails later may leave it sealed.
	 */
	int (*backing_fd)(struct dma_buf *);
};

/* A poll that was not ready waits for a fence, with a reference. */
struct dma_buf_poll_cb_t {
	struct dma_fence_cb cb;
	short active;	/* the event it waits for, or 0; atomic */
};

/**
 * struct dma_buf - a shared buffer, made only by dma_buf_export()
 *
 * Locks, outermost first: @resv, @lock. (c) constant after export;
 * (l) @lock held; (rl) written with @resv and @lock held, either is enough to
 * read; (f) set with @resv held, cleared by the fence.
 */
struct dma_buf {
	/** @size: (c) bytes */
	size_t size;
	/** @ops: (c) the exporter's table */
	const struct dma_buf_ops *ops;
	/** @lock: guards the list, the vmap pair and the name; not recursive */
	pthread_mutex_t lock;
	/** @attachments: (rl) newest first; dmabuf_for_each_attachment() */
	struct dmabuf_list attachments;
	/** @vmapping_counter: (l) mappings given out by dma_buf_vmap() */
	unsigned int vmapping_counter;
	/** @vmap_ptr: (l) the one mapping; NULL exactly while none is out */
	void *vmap_ptr;
	/** @exp_name: (c) exporter's name, not copied; may be NULL */
	const char *exp_name;
	/**
	 * @name: (l) set by dma_buf_set_name(), which frees the old one; NULL
	 * until then
	 */
	char *name;
	/** @resv: (c) the reservation: the buffer's own, or lent at export */
	struct dma_resv *resv;
	/** @priv: (c) the exporter's */
	void *priv;
	/** @cb_in: (f) dma_buf_poll() for POLLIN waits; the library's */
	struct dma_buf_poll_cb_t cb_in;
	/** @cb_out: (f) the same for POLLOUT */
	struct dma_buf_poll_cb_t cb_out;
};

/**
 * struct dma_buf_attach_ops - what a dynamic importer can do
 */
struct dma_buf_attach_ops {
	/** @allow_peer2peer: copied to &dma_buf_attachment.peer2peer */
	bool allow_peer2peer;

	/**
	 * @move_notify: the memory is about to move; map again before the next
	 * use. Mandatory; resv held: dma_buf_unmap_attachment() may be called
	 * inside, and dma_buf_map_attachment(), which may still find the old
	 * place. What the device does there meanwhile has fences in resv: the
	 * exporter waits for them before it gives up the old place.
	 */
	void (*move_notify)(struct dma_buf_attachment *attach);
};

/**
 * struct dma_buf_attachment - one device's use of a buffer
 *
 * Holds no reference: the importer keeps one on the buffer meanwhile.
 */
struct dma_buf_attachment {
	/** @dmabuf: the buffer; NULL once it was released before detach */
	struct dma_buf *dmabuf;
	/** @dev: the importer's device */
	struct device *dev;
	/** @node: link in &dma_buf.attachments */
	struct dmabuf_list node;
	/** @sgt: the kept mapping, or NULL; resv */
	struct sg_table *sgt;
	/** @dir: direction of @sgt; resv */
	enum dma_data_direction dir;
	/** @peer2peer: the importer can reach memory of other devices */
	bool peer2peer;
	/** @importer_ops: NULL for a static importer */
	const struct dma_buf_attach_ops *importer_ops;
	/** @importer_priv: the importer's */
	void *importer_priv;
	/** @priv: the exporter's */
	void *priv;
};

/**
 * struct dma_buf_export_info - what to export
 * @exp_name: exporter's name; not copied
 * @ops: the exporter's table; not copied
 * @size: bytes; any value
 * @flags: access mode of the fds (O_RDONLY, O_WRONLY, O_RDWR), O_NONBLOCK;
 *	other flags are ignored
 * @resv: a reservation lent to the buffer, or NULL for one of its own
 * @priv: the exporter's, not NULL
 *
 * The access mode binds the fds and dma_buf_mmap(); in the process of the
 * exporter it binds neither dma_buf_vmap() nor devices. In an importing process
 * O_RDONLY makes dma_buf_vmap() read-only (a write faults) and device maps
 * other than DMA_TO_DEVICE -EACCES; O_WRONLY makes all mapping -EACCES.
 */
struct dma_buf_export_info {
	const char *exp_name;
	const struct dma_buf_ops *ops;
	size_t size;
	int flags;
	struct dma_resv *resv;
	void *priv;
};

/* The exporter's name in DEFINE_DMA_BUF_EXPORT_INFO(); define it before. */
#ifndef DMABUF_EXP_NAME
#define DMABUF_EXP_NAME __FILE__
#endif

#define DEFINE_DMA_BUF_EXPORT_INFO(name)                                       \
	struct dma_buf_export_info name = { DMABUF_EXP_NAME, NULL, 0, 0, NULL, \
					    NULL }

/**
 * dma_buf_export() - wrap memory in a buffer
 * @info: what to export; read during the call only
 *
 * Return: the buffer with one reference, the caller's; ERR_PTR(-EINVAL) with a
 * warning when @info, ops, priv or a mandatory op is missing, when
 * cache_sgt_mapping is set together with pin or unpin, or only one of pin and
 * unpin; ERR_PTR(-ENOMEM). (dma_buf_export(), Linux 6.12)
 */
DMABUF_API struct dma_buf *
dma_buf_export(const struct dma_buf_export_info *info);

/**
 * get_dma_buf() - take another reference
 * @dmabuf: buffer that the caller holds a reference on; NULL warns
 */
DMABUF_API void get_dma_buf(struct dma_buf *dmabuf);

/**
 * dma_buf_put() - give a reference back
 * @dmabuf: buffer; NULL warns
 *
 * A reference that is not the caller's (given back already, or taken by
 * dma_buf_fd()) is not noticed: it is somebody else's that goes, and after the
 * last one the memory is freed. Sanitizers and valgrind find that.
 *
 * The last one releases the buffer: at once, or, when the thread holds a
 * reservation or is inside an op, as soon as that ends. Releasing a buffer that
 * is still vmapped is a BUG; the reference is then the caller's again.
 * Attachments left over warn and become orphans, which dma_buf_detach() frees.
 *
 * Differs from the kernel: the release is never left to a later moment of
 * another context. (dma_buf_put(), Linux 6.12)
 */
DMABUF_API void dma_buf_put(struct dma_buf *dmabuf);

/**
 * dma_buf_fd() - hand the buffer out as a file descriptor
 * @dmabuf: buffer; the caller's reference goes to the fd
 * @flags: O_CLOEXEC or 0; other bits are ignored
 *
 * The fd can be mapped (page-backed buffers), asked for its size with
 * lseek(2), duplicated and sent to other processes. Once its last copy and the
 * last mapping made through it are gone, in whatever process, the reference
 * comes back: dmabuf_dispatch() or the reaper then drops it.
 *
 * Context: takes no lock around the backing_fd op. May block.
 * Return: the fd; -EINVAL without @dmabuf, and no warning, as in the kernel;
 * -EMFILE, -ENFILE, -ENOMEM; -ENOENT without /proc; -EAGAIN when a peer has
 * locked the bytes that the library locks to see closes; what backing_fd
 * returned; -EINVAL when that is no memfd or has another size, -EPERM when it
 * cannot be sealed, -EBUSY when another buffer has it. On failure the reference
 * stays the caller's.
 * (dma_buf_fd(), Linux 6.12)
 */
DMABUF_API int dma_buf_fd(struct dma_buf *dmabuf, int flags);

/**
 * dma_buf_get() - find the buffer behind a file descriptor
 * @fd: any copy of an fd from dma_buf_fd(), of this process or of another that
 *	uses the library, or of a dma-buf of the kernel; stays the caller's
 *
 * A buffer of this process comes back as the same pointer each time. For one of
 * another process, or of the kernel, an importing object is made, one per
 * buffer, which keeps the buffer alive until its own last reference is dropped.
 * Name, reservation and attachments are the object's own.
 *
 * Whatever @fd is, nothing is waited for: no server of a FUSE file is asked.
 *
 * Return: the buffer with a new reference; ERR_PTR(-EBADF) when @fd is not
 * open; ERR_PTR(-EINVAL) when it is no buffer, cannot be recognised for want of
 * /proc, or is one of another process on huge pages that can be written;
 * -ENOMEM, -EMFILE and -ENFILE for an importing
 * object. (dma_buf_get(), Linux 6.12)
 */
DMABUF_API struct dma_buf *dma_buf_get(int fd);

/**
 * dma_buf_attach() - let a device use the buffer
 * @dmabuf: buffer; the caller holds a reference until dma_buf_detach()
 * @dev: device; the same one may attach many times
 *
 * The same as dma_buf_dynamic_attach() without importer ops.
 */
DMABUF_API struct dma_buf_attachment *dma_buf_attach(struct dma_buf *dmabuf,
						     struct device *dev);

/**
 * dma_buf_dynamic_attach() - attach a device whose importer follows moves
 * @dmabuf: buffer; the caller holds a reference until dma_buf_detach()
 * @dev: device
 * @importer_ops: with move_notify; NULL for a static importer
 * @importer_priv: the importer's, for &dma_buf_attachment.importer_priv
 *
 * When only one of importer and exporter is dynamic, the buffer is pinned (by a
 * dynamic exporter) and mapped DMA_BIDIRECTIONAL until the detach; a static
 * importer then waits for the buffer's KERNEL fences.
 *
 * Context: resv must not be held; taken inside. May block.
 * Return: the attachment; ERR_PTR(-EINVAL) with a warning for NULL @dmabuf or
 * @dev, or importer ops without move_notify; ERR_PTR(-ENOMEM); what the
 * exporter's attach, pin or map returned; ERR_PTR(-EINTR) when a signal handler
 * ran during the wait. (dma_buf_dynamic_attach(), 6.12)
 */
DMABUF_API struct dma_buf_attachment *
dma_buf_dynamic_attach(struct dma_buf *dmabuf, struct device *dev,
		       const struct dma_buf_attach_ops *importer_ops,
		       void *importer_priv);

/**
 * dma_buf_detach() - end a device's use of the buffer
 * @dmabuf: the buffer it was attached to
 * @attach: attachment; freed. Everything mapped by hand is unmapped before, and
 *	everything pinned by hand unpinned. The core counts neither; the
 *	library's exporters warn of a table that is left, and take it down.
 *
 * NULL, or an attachment of another buffer, warns and changes nothing. An
 * attachment whose buffer was released is freed. One is freed as well, and not
 * to be detached again, when an op called here ends in a BUG whose handler
 * jumps away; the ops that would have followed are not called.
 *
 * Context: resv must not be held; taken inside. May block.
 */
DMABUF_API void dma_buf_detach(struct dma_buf *dmabuf,
			       struct dma_buf_attachment *attach);

/**
 * dma_buf_pin() - keep the memory where it is
 * @attach: attachment of a dynamic importer; balanced by dma_buf_unpin()
 *
 * Context: resv held by the caller, else it warns and goes on.
 * Return: 0, what the exporter's pin returned, or -EINVAL with a warning for a
 * static attachment (the kernel warns and goes on).
 */
DMABUF_API int dma_buf_pin(struct dma_buf_attachment *attach);

/** dma_buf_unpin() - undo dma_buf_pin(); a static attachment warns */
DMABUF_API void dma_buf_unpin(struct dma_buf_attachment *attach);

/**
 * dma_buf_map_attachment() - get the buffer's memory for the device
 * @attach: attachment
 * @dir: who will read and write; not checked by the core
 *
 * For a static importer it waits for the buffer's KERNEL fences, unless the
 * table is one that was kept. A dynamic one looks at the fences itself.
 *
 * Context: resv held by the caller, else it warns and goes on. May block.
 * Return: the table, for dma_buf_unmap_attachment(); ERR_PTR(-EINVAL) with a
 * warning for NULL; -EBUSY when the kept mapping has another direction; -ENOMEM
 * when the exporter returned NULL; the exporter's error; -EINTR when a signal
 * handler ran during the wait, and the table is unmapped again.
 * (dma_buf_map_attachment(), Linux 6.12 with move-notify built)
 */
DMABUF_API struct sg_table *
dma_buf_map_attachment(struct dma_buf_attachment *attach,
		       enum dma_data_direction dir);

/** dma_buf_map_attachment_unlocked() - the same, taking resv itself */
DMABUF_API struct sg_table *
dma_buf_map_attachment_unlocked(struct dma_buf_attachment *attach,
				enum dma_data_direction dir);

/**
 * dma_buf_unmap_attachment() - give the table back
 * @attach: attachment
 * @sg_table: from dma_buf_map_attachment(); a kept mapping stays until detach,
 *	and how often it is given back is not counted
 * @dir: as it was mapped
 *
 * NULL warns and changes nothing.
 *
 * Context: resv held by the caller, else it warns and goes on. May block.
 */
DMABUF_API void dma_buf_unmap_attachment(struct dma_buf_attachment *attach,
					 struct sg_table *sg_table,
					 enum dma_data_direction dir);

/** dma_buf_unmap_attachment_unlocked() - the same, taking resv itself */
DMABUF_API void
dma_buf_unmap_attachment_unlocked(struct dma_buf_attachment *attach,
				  struct sg_table *sg_table,
				  enum dma_data_direction dir);

/**
 * dma_buf_move_notify() - tell the dynamic importers that the memory moves
 * @dmabuf: buffer of a dynamic exporter; NULL warns
 *
 * Context: resv held by the caller, else it warns and goes on.
 */
DMABUF_API void dma_buf_move_notify(struct dma_buf *dmabuf);

/**
 * dma_buf_begin_cpu_access() - the CPU is about to use the memory
 * @dmabuf: buffer; the caller holds a reference
 * @dir: DMA_FROM_DEVICE to read, DMA_TO_DEVICE to write, DMA_BIDIRECTIONAL
 *
 * Reaches devices of this process only. Begins and ends are not counted. After
 * the exporter's op it waits for the buffer's fences: who only reads, for those
 * of KERNEL and WRITE usage, others for READ too.
 *
 * Context: resv must not be held; holding it warns and goes on. May block.
 * Return: 0, the exporter's error, -EINTR when a signal handler ran during the
 * wait (call it again), or -EINVAL with a warning for NULL.
 * (dma_buf_begin_cpu_access(), Linux 6.12)
 */
DMABUF_API int dma_buf_begin_cpu_access(struct dma_buf *dmabuf,
					enum dma_data_direction dir);

/**
 * dma_buf_end_cpu_access() - the CPU is done
 * @dmabuf: buffer
 * @dir: as at the begin
 *
 * Context and return: as dma_buf_begin_cpu_access(). Differs from the kernel,
 * which goes on with NULL after the warning.
 */
DMABUF_API int dma_buf_end_cpu_access(struct dma_buf *dmabuf,
				      enum dma_data_direction dir);

/**
 * dma_buf_mmap() - map pages of the buffer into this process
 * @dmabuf: buffer
 * @length: bytes, rounded up to pages
 * @prot: PROT_READ, PROT_WRITE, as mmap(2)
 * @flags: MAP_SHARED or MAP_PRIVATE, and other flags of mmap(2) that choose
 *	neither the address nor the memory
 * @offset: bytes, whole pages
 *
 * A mapping of a page-backed buffer keeps the buffer alive until munmap(2),
 * which on huge pages takes whole ones. For other buffers the caller keeps a
 * reference until then. The part of the last page past the size of the buffer
 * cannot be mapped, as in the kernel.
 *
 * Return: the address; ERR_PTR(-EINVAL) with a warning for NULL; otherwise, in
 * this order, -EINVAL for a bad offset or no length, -ENOMEM for a length that
 * overflows, -EOVERFLOW for an end that does, -EOPNOTSUPP for other flags with
 * MAP_SHARED_VALIDATE, -EINVAL for others and for neither shared nor private,
 * -EACCES against the access mode of the export, -EINVAL without a mmap op or
 * past the end, -ENOMEM, the op's error; of page-backed buffers also the errors
 * of dma_buf_fd(). Differs from the kernel: takes what mmap(2) takes.
 */
DMABUF_API void *dma_buf_mmap(struct dma_buf *dmabuf, size_t length, int prot,
			      int flags, off_t offset);

/**
 * dma_buf_vmap() - map the whole buffer for the CPU
 * @dmabuf: buffer; the caller holds a reference for as long as it uses the
 *	address
 *
 * The first call asks &dma_buf_ops.vmap, later ones return the same address
 * and count. A counter and a pointer that contradict each other are a BUG.
 *
 * Context: takes @dmabuf->lock, and calls the exporter under it. May block
 * there. resv may be held.
 * Return: the address, to be given back to dma_buf_vunmap(), read-only where an
 * importing process got the buffer so (a write faults); NULL with a warning
 * without @dmabuf; NULL when the exporter has no vmap; what the
 * exporter returned, NULL or ERR_PTR, when it failed; NULL with a warning when
 * the counter is at UINT_MAX.
 * (dma_buf_vmap() as it was introduced with the counter, Linux 3.10)
 */
DMABUF_API DMABUF_NOPLT void *dma_buf_vmap(struct dma_buf *dmabuf);

/**
 * dma_buf_vunmap() - give a mapping back
 * @dmabuf: buffer; NULL warns
 * @vaddr: what dma_buf_vmap() returned
 *
 * The last call makes the exporter unmap. Calling it without a mapping, or with
 * another address, is a BUG: decided under the lock, reported after it.
 *
 * Context: takes @dmabuf->lock, and calls the exporter under it.
 * Differs from the kernel: counter and pointer are cleared before the op runs.
 */
DMABUF_API DMABUF_NOPLT void dma_buf_vunmap(struct dma_buf *dmabuf,
					    void *vaddr);

/**
 * dma_buf_set_name() - name the buffer, for people
 * @dmabuf: buffer; NULL warns
 * @name: copied; at most 31 bytes; may be empty
 *
 * Context: takes @dmabuf->lock.
 * Return: 0, -EFAULT without @name, -EINVAL when it is too long, -ENOMEM. The
 * name is unchanged on failure. (DMA_BUF_SET_NAME, Linux 6.12: no -EBUSY)
 */
DMABUF_API int dma_buf_set_name(struct dma_buf *dmabuf, const char *name);

/** dma_buf_attachment_is_dynamic() - does the importer follow moves? */
static inline bool
dma_buf_attachment_is_dynamic(const struct dma_buf_attachment *attach)
{
	return attach->importer_ops != NULL;
}

/** dma_buf_is_dynamic() - can the exporter move the memory? */
static inline bool dma_buf_is_dynamic(const struct dma_buf *dmabuf)
{
	return dmabuf->ops->pin != NULL;
}

/** dmabuf_list_attachment() - the attachment that a link belongs to */
static inline struct dma_buf_attachment *
dmabuf_list_attachment(const struct dmabuf_list *node)
{
	return (struct dma_buf_attachment *)((char *)(uintptr_t)node -
			offsetof(struct dma_buf_attachment, node));
}

/* Newest first; hold resv or lock. @a may not be detached inside. */
#define dmabuf_for_each_attachment(a, dmabuf)                                  \
	for ((a) = dmabuf_list_attachment((dmabuf)->attachments.next);         \
	     &(a)->node != &(dmabuf)->attachments;                             \
	     (a) = dmabuf_list_attachment((a)->node.next))

#ifdef __cplusplus
}
#endif

#endif
