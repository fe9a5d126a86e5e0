/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sentences: one a thread, from the outer noun to the cause. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>

#include "base/cancel.h"
#include "base/error.h"

static void
a_failure_is_one_breath(void **state)
{
	(void)state;
	assert_int_equal(vr_fail(VR_E_FORMAT, "line %d: %s", 3, "odd"),
			 VR_E_FORMAT);
	assert_string_equal(vr_error_sentence(), "line 3: odd");
}

static void
the_chain_reads_from_outside_in(void **state)
{
	int r;

	(void)state;
	r = vr_fail(VR_E_IO, "points past the end");
	r = vr_context(r, "grain table %d", 17);
	r = vr_context(r, "extent %d '%s'", 3, "web-s003.vmdk");
	assert_int_equal(r, VR_E_IO);
	assert_string_equal(vr_error_sentence(),
			    "extent 3 'web-s003.vmdk': grain table 17: "
			    "points past the end");
}

static void
the_old_sentence_may_be_an_argument(void **state)
{
	(void)state;
	vr_fail(VR_E_IO, "the cause");
	vr_fail(VR_E_IO, "twice: %s", vr_error_sentence());
	assert_string_equal(vr_error_sentence(), "twice: the cause");
	vr_context(VR_E_IO, "<%s>", vr_error_sentence());
	assert_string_equal(vr_error_sentence(),
			    "<twice: the cause>: twice: the cause");
}

static void
errno_becomes_a_code_and_words(void **state)
{
	static const struct {
		int number, code;
	} cases[] = {
		{ENOMEM, VR_E_MEMORY},	{EACCES, VR_E_DENIED},
		{EPERM, VR_E_DENIED},	{EROFS, VR_E_DENIED},
		{ENOENT, VR_E_MISSING}, {ENOTDIR, VR_E_MISSING},
		{EEXIST, VR_E_EXISTS},	{ENOTEMPTY, VR_E_EXISTS},
		{ENOSPC, VR_E_FULL},	{EDQUOT, VR_E_FULL},
		{EIO, VR_E_IO},		{ELOOP, VR_E_IO},
		{0, VR_E_IO},		{99999, VR_E_IO},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		errno = cases[i].number;
		assert_int_equal(vr_fail_errno("opening '%s'", "x"),
				 cases[i].code);
		assert_sentence_has("opening 'x': ");
	}
	errno = ENOENT;
	vr_fail_errno("opening");
	assert_string_equal(vr_error_sentence(),
			    "opening: No such file or directory");
	errno = 99999;
	vr_fail_errno("opening");
	assert_string_equal(vr_error_sentence(), "opening: unknown error");
}

static void
lost_memory_has_words(void **state)
{
	(void)state;
	assert_int_equal(vr_fail_memory(), VR_E_MEMORY);
	assert_string_equal(vr_error_sentence(), "out of memory");
}

/* A hostile name of a megabyte costs its tail, not the sentence's NUL. */
static void
long_sentences_are_cut(void **state)
{
	static char name[1 << 20];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	assert_int_equal(vr_fail(VR_E_IO, "'%s' is odd", name), VR_E_IO);
	assert_true(strlen(vr_error_sentence()) < 4096);
	assert_int_equal(vr_error_sentence()[0], '\'');

	errno = EIO;
	vr_fail_errno("%s", name);
	assert_true(strlen(vr_error_sentence()) < 4096);

	vr_fail(VR_E_IO, "the cause");
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(vr_context(VR_E_IO, "%s", name), VR_E_IO);
	assert_true(strlen(vr_error_sentence()) < 4096);
}

/* A long noun must not push the cause out of the sentence. */
static void
a_long_noun_leaves_the_cause(void **state)
{
	char name[3000];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	vr_fail(VR_E_IO, "the cause");
	vr_context(VR_E_IO, "'%s'", name);
	assert_sentence_has(": the cause");
}

static void *
fail_in_a_thread(void *seen)
{
	*(size_t *)seen = strlen(vr_error_sentence());
	vr_fail(VR_E_IO, "the other thread's");
	return NULL;
}

static void
each_thread_has_its_own(void **state)
{
	pthread_t thread;
	size_t seen = 99;

	(void)state;
	vr_fail(VR_E_IO, "mine");
	assert_int_equal(pthread_create(&thread, NULL, fail_in_a_thread, &seen),
			 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(seen, 0);
	assert_string_equal(vr_error_sentence(), "mine");
}

/* Last of all: it stays set. */
static void
cancelling_is_an_error_from_then_on(void **state)
{
	(void)state;
	assert_ok(vr_check_cancel());
	vr_cancel();
	assert_code(VR_E_CANCELLED, vr_check_cancel());
	assert_code(VR_E_CANCELLED, vr_check_cancel());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_one_breath),
		cmocka_unit_test(the_chain_reads_from_outside_in),
		cmocka_unit_test(the_old_sentence_may_be_an_argument),
		cmocka_unit_test(errno_becomes_a_code_and_words),
		cmocka_unit_test(lost_memory_has_words),
		cmocka_unit_test(long_sentences_are_cut),
		cmocka_unit_test(a_long_noun_leaves_the_cause),
		cmocka_unit_test(each_thread_has_its_own),
		cmocka_unit_test(cancelling_is_an_error_from_then_on),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
