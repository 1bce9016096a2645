#include "disk.h"

#include <stdlib.h>
#include <string.h>

#define SECTOR 512

static sim_machine machines[SIM_MACHINES];
static uint64_t next_inode;

sim_machine *disk_machine(int index)
{
    return &machines[index];
}

void image_free(sim_image *image)
{
    free(image->data);
    *image = (sim_image){0};
}

static int image_room(sim_image *image, size_t size)
{
    if (size > image->cap) {
        size_t cap = image->cap ? image->cap : 16384;
        while (cap < size) {
            cap *= 2;
        }
        uint8_t *data = realloc(image->data, cap);
        if (data == NULL) {
            return -1;
        }
        image->data = data;
        image->cap = cap;
    }
    if (size > image->size) {
        memset(image->data + image->size, 0, size - image->size);
        image->size = size;
    }
    return 0;
}

int image_set(sim_image *to, const sim_image *from)
{
    to->size = 0;
    if (from->size == 0) {
        return 0;
    }
    if (image_room(to, from->size) != 0) {
        return -1;
    }
    memcpy(to->data, from->data, from->size);
    return 0;
}

static int image_put(sim_image *image, uint64_t offset, const void *from, size_t bytes)
{
    if (bytes == 0) {
        return 0;
    }
    if (image_room(image, (size_t)offset + bytes) != 0) {
        return -1;
    }
    memcpy(image->data + offset, from, bytes);
    return 0;
}

static void forget_pending(sim_node *n)
{
    for (size_t i = 0; i < n->pending_count; i++) {
        free(n->pending[i].data);
    }
    n->pending_count = 0;
}

static void node_free(sim_node *n)
{
    forget_pending(n);
    free(n->pending);
    image_free(&n->now);
    image_free(&n->durable);
    for (int i = 0; i < SIM_SHM; i++) {
        free(n->shm[i]);
    }
    memset(n, 0, sizeof *n);
}

void disk_free(void)
{
    for (int i = 0; i < SIM_MACHINES; i++) {
        for (int k = 0; k < SIM_NODES; k++) {
            if (machines[i].nodes[k].used) {
                node_free(&machines[i].nodes[k]);
            }
        }
    }
}

void disk_reset(void)
{
    disk_free();
    memset(machines, 0, sizeof machines);
    next_inode = 100;
    for (int i = 0; i < SIM_MACHINES; i++) {
        machines[i].index = i;
        machines[i].boot = (uint64_t)i + 1;
    }
}

sim_node *disk_find(sim_machine *m, const char *name)
{
    for (int i = 0; i < SIM_NODES; i++) {
        sim_node *n = &m->nodes[i];
        if (n->used && !n->deleted && strcmp(n->name, name) == 0) {
            return n;
        }
    }
    return NULL;
}

static sim_node *node_new(sim_machine *m, const char *name)
{
    for (int i = 0; i < SIM_NODES; i++) {
        sim_node *n = &m->nodes[i];
        if (!n->used && strlen(name) < sizeof n->name) {
            n->used = true;
            memcpy(n->name, name, strlen(name) + 1);
            n->inode = ++next_inode;
            return n;
        }
    }
    return NULL;
}

sim_node *disk_open(sim_machine *m, const char *name)
{
    sim_node *n = *name ? disk_find(m, name) : NULL;
    n = n ? n : node_new(m, name);
    if (n) {
        n->opens++;
        n->deleted = n->deleted || *name == '\0';
    }
    return n;
}

void disk_close(sim_node *n)
{
    n->opens--;
    if (n->opens == 0 && n->deleted) {
        node_free(n);
    }
}

void disk_delete(sim_machine *m, const char *name)
{
    sim_node *n = disk_find(m, name);
    if (n && n->opens > 0) {
        n->deleted = true;
    } else if (n) {
        node_free(n);
    }
}

sim_fault disk_strike(sim_machine *m)
{
    if (m->dead) {
        return FAULT_CRASH;
    }
    if (m->fault == FAULT_NONE || --m->fault_at > 0) {
        return FAULT_NONE;
    }
    sim_fault fault = m->fault;
    if (fault == FAULT_CRASH) {
        m->dead = true;
    }
    if (m->dead || --m->fault_for <= 0) {
        m->fault = FAULT_NONE;
    }
    return fault;
}

void disk_read(const sim_node *n, void *to, size_t bytes, uint64_t offset)
{
    size_t have = offset < n->now.size ? n->now.size - (size_t)offset : 0;
    have = have < bytes ? have : bytes;
    if (have > 0) {
        memcpy(to, n->now.data + offset, have);
    }
    memset((uint8_t *)to + have, 0, bytes - have);
}

static int remember(sim_node *n, sim_pending p)
{
    if (n->deleted) {
        free(p.data);
        return 0;
    }
    if (n->pending_count == n->pending_cap) {
        size_t cap = n->pending_cap ? n->pending_cap * 2 : 32;
        sim_pending *grown = realloc(n->pending, cap * sizeof *grown);
        if (grown == NULL) {
            free(p.data);
            return -1;
        }
        n->pending = grown;
        n->pending_cap = cap;
    }
    n->pending[n->pending_count++] = p;
    return 0;
}

int disk_write(sim_node *n, const void *from, size_t bytes, uint64_t offset)
{
    if (bytes == 0) {
        return 0;
    }
    uint8_t *data = malloc(bytes);
    if (data == NULL || image_put(&n->now, offset, from, bytes) != 0) {
        free(data);
        return -1;
    }
    memcpy(data, from, bytes);
    return remember(n, (sim_pending){offset, (uint32_t)bytes, data});
}

int disk_truncate(sim_node *n, uint64_t size)
{
    if (size < n->now.size) {
        n->now.size = (size_t)size;
    } else if (image_room(&n->now, (size_t)size) != 0) {
        return -1;
    }
    return remember(n, (sim_pending){size, 0, NULL});
}

static void apply_pending(sim_image *to, const sim_pending *p)
{
    if (p->data) {
        (void)image_put(to, p->offset, p->data, p->bytes);
    } else if (p->offset < to->size) {
        to->size = (size_t)p->offset;
    } else {
        (void)image_room(to, (size_t)p->offset);
    }
}

void disk_sync(sim_node *n)
{
    for (size_t i = 0; i < n->pending_count; i++) {
        apply_pending(&n->durable, &n->pending[i]);
    }
    forget_pending(n);
}

void disk_settle(sim_machine *m)
{
    for (int i = 0; i < SIM_NODES; i++) {
        if (m->nodes[i].used) {
            disk_sync(&m->nodes[i]);
        }
    }
    m->durable_note = m->note;
}

/* Some sectors of the write arrived, the others did not. */
static void apply_torn(sim_image *to, const sim_pending *p, sim_dice *dice)
{
    for (uint32_t at = 0; p->data && at < p->bytes;) {
        uint32_t bytes = SECTOR - (uint32_t)((p->offset + at) % SECTOR);
        bytes = bytes < p->bytes - at ? bytes : p->bytes - at;
        if (dice_percent(dice, 50)) {
            (void)image_put(to, p->offset + at, p->data + at, bytes);
        }
        at += bytes;
    }
}

/* What the disk had done by itself: nothing, all, a part, or a part with torn writes. */
static void lose_power(sim_node *n, int how, sim_dice *dice)
{
    for (size_t i = 0; i < n->pending_count; i++) {
        const sim_pending *p = &n->pending[i];
        if (how == 1 || (how >= 2 && dice_percent(dice, 50))) {
            apply_pending(&n->durable, p);
        } else if (how == 3 && dice_percent(dice, 50)) {
            apply_torn(&n->durable, p, dice);
        }
    }
    forget_pending(n);
    (void)image_set(&n->now, &n->durable);
}

static void unlock(sim_node *n)
{
    n->opens = n->shared = n->reserved = n->waiting = n->exclusive = n->shm_users = 0;
    memset(n->shm_shared, 0, sizeof n->shm_shared);
    memset(n->shm_exclusive, 0, sizeof n->shm_exclusive);
    for (int i = 0; i < SIM_SHM; i++) {
        free(n->shm[i]);
        n->shm[i] = NULL;
    }
}

void disk_crash(sim_machine *m, bool power, sim_dice *dice)
{
    int how = dice_below(dice, 4);
    for (int i = 0; i < SIM_NODES; i++) {
        sim_node *n = &m->nodes[i];
        if (!n->used) {
            continue;
        }
        unlock(n);
        if (power && !n->deleted) {
            lose_power(n, how, dice);
        }
        if (n->deleted) {
            node_free(n);
        }
    }
    if (power) {
        m->note = dice_percent(dice, 50) ? m->durable_note : m->note;
        m->durable_note = m->note;
        m->boot += 1000;
    }
    m->dead = false;
    m->fault = FAULT_NONE;
}

int disk_copy(sim_machine *to, const char *to_name, const sim_image *image, bool keep_inode)
{
    sim_node *n = disk_find(to, to_name);
    if (n && !keep_inode) {
        disk_delete(to, to_name);
        n = NULL;
    }
    n = n ? n : node_new(to, to_name);
    if (n == NULL || image_set(&n->now, image) != 0 || image_set(&n->durable, image) != 0) {
        return -1;
    }
    forget_pending(n);
    return 0;
}
