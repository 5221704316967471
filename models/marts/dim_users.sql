-- Users with the history of their address: one row per user and version, valid from valid_from up to, and
-- without, valid_to.
{% set loads = loads_to_read('users', ref('stg_loads'), ref('int_users_checked'), key=['user_id', 'updated_at']) %}

with clock as (
    {{ next_stamp() }}
),

touched as (
    {{ touched_ids(ref('int_users_checked'), loads, id='user_id') }}
),

stored as (
    select held.* from ({{ stored_rows() }}) as held
    where held.user_id in (select touched.user_id from touched)
),

versions as (
    {{ known_versions(
        ref('int_users_checked'), loads, id='user_id', stored='stored',
        columns=['user_id', 'email', 'created_at', 'updated_at'],
    ) }}
),

numbered as (
    select
        *,
        min(first_load_date) over (partition by user_id, updated_at) as _first_load_date,
        row_number() over (
            partition by user_id, updated_at
            order by is_deleted asc, _loaded_at desc, _load_date desc, email desc nulls last, created_at desc
        ) as delivery_rank
    from versions
),

signed_up as (
    select
        *,
        min(created_at) over (partition by user_id, is_deleted) as signed_up_at,
        row_number() over (partition by user_id, is_deleted order by updated_at) as version_number
    from numbered
    where delivery_rank = 1
),

-- The first version also speaks for the days before it, from the sign-up on.
dated as (
    select
        *,
        greatest(
            cast(signed_up_at as date), case when version_number > 1 then cast(updated_at as date) end
        ) as valid_from
    from signed_up
),

history as (
    select
        *,
        lead(valid_from) over (partition by user_id, is_deleted order by version_number) as superseded_on
    from dated
),

dim_users as (
    select
        history.user_id,
        history.updated_at,
        history.email,
        history.created_at,
        history.signed_up_at,
        history.valid_from,
        coalesce(history.superseded_on, {{ date_literal('9999-12-31') }}) as valid_to,
        history.superseded_on is null and not history.is_deleted as is_current,
        history.is_deleted,
        history._loaded_at,
        history._load_date,
        history._first_load_date,
        -- That a later version ends this one is told by the later one: its revision restates what follows.
        case
            when history.is_deleted and stored.is_deleted then stored._revision
            when
                not history.is_deleted and not stored.is_deleted
                and coalesce(history.email = stored.email, history.email is null and stored.email is null)
                and history.signed_up_at = stored.signed_up_at
                and history.valid_from = stored.valid_from
                then stored._revision
            else clock.stamp
        end as _revision,
        least(stored._affected_from, history.valid_from) as _affected_from,
        clock.stamp as _stamp,
        case when history.is_deleted and not stored.is_deleted then stored._load_date end as _vanished_from
    from history
    cross join clock
    left join stored
        on history.user_id = stored.user_id and history.updated_at = stored.updated_at and not {{ loads.is_void }}
)

select * from dim_users
